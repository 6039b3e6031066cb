// @ts-check
/**
 * Mounts the widgets of a published page: no kernel, no server, no other script.
 *
 * MyST-NB writes a page's widget models into one script element and each view as another. This file restores the
 * models, gives them the model interface that anywidget promises to widgets, and renders each view beside its script.
 * It is a classic script because browsers refuse module scripts on file://; the widgets' own modules are imported from
 * Blob URLs, which work there.
 *
 * `<html data-widget-host>` is "mounting", then "ready" when every view is there; a widget that finds the attribute
 * knows that no kernel will answer.
 *
 * Large buffers of a page of the book stand in scripts of their own (published.py, move_buffers), which arrive when they may:
 * only the widgets that need them wait. They are scripts because a page on file:// can fetch nothing. A widget may name traits in
 * its trait `late`: it does not wait for their buffers, whose scripts come only when it asks for them (`bring`).
 *
 * @typedef {{ data?: string, file?: string, path: (string | number)[] }} SavedBuffer  base64, or the key of the script that
 *   brings it, and where it belongs in the state
 * @typedef {{ model_module: string, model_name: string, state: Record<string, any>, buffers?: SavedBuffer[] }} SavedModel
 * @typedef {(...args: any[]) => void} Listener
 */
(() => {
  "use strict";

  const root = document.documentElement;
  root.dataset.widgetHost = "mounting";

  /** @param {string} base64 */
  function toDataView(base64) {
    const letters = atob(base64);
    const bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
    return new DataView(bytes.buffer);
  }

  /** @template T @param {(key: any) => T} make @returns {(key: any) => T} the same, made once a key */
  const once = (make) => {
    const made = new Map();
    return (key) => (made.has(key) ? made.get(key) : made.set(key, make(key)).get(key));
  };

  /** The text that a script brings; it fails where the script did. @param {string} file @returns {Promise<string>} */
  const arrival = (file) => new Promise((resolve, reject) => {
    const texts = () => /** @type {any} */ (window).saelibBuffers ?? {};
    const settle = () => {
      if (!(file in texts())) return reject(new Error("its data did not arrive. Reload the page to try again."));
      resolve(texts()[file]);
      delete texts()[file]; // it is large, and its bytes are all that is used from here on
    };
    if (file in texts()) return settle();
    /** @type {HTMLScriptElement|null} */
    const own = document.querySelector(`script[data-buffer="${file}"]`);
    if (own && document.readyState !== "complete") {
      for (const event of ["load", "error"]) own.addEventListener(event, settle);
      // A script that failed before this one ran says nothing any more; the page waits for all of its scripts, though.
      addEventListener("load", settle);
      return;
    }
    /** @type {HTMLTemplateElement|null} */
    const place = document.querySelector(`template[data-buffer="${file}"]`);
    const src = own?.src ?? place?.dataset.src;
    if (!src) return settle();
    const script = Object.assign(document.createElement("script"), { async: true, src });
    for (const event of ["load", "error"]) script.addEventListener(event, () => { script.remove(); settle(); });
    document.head.append(script);
  });

  /** What came, or is on its way, by the keys of the scripts. @type {Map<string, Promise<DataView>>} */
  const buffers = new Map();
  /** The buffer that a script brings, the same for all who ask. Where it failed, it is tried again when it is asked for again.
   * @param {string} file */
  function brought(file) {
    const before = buffers.get(file);
    if (before) return before;
    const coming = arrival(file).then(toDataView);
    buffers.set(file, coming);
    coming.catch(() => buffers.delete(file));
    return coming;
  }

  /** Equality by value of what a trait holds; binary values count as equal only when they are the same one.
   * @param {any} a @param {any} b @returns {boolean} */
  const same = (a, b) => {
    if (Object.is(a, b)) return true;
    const kind = a && Object.getPrototypeOf(a);
    if (!b || kind !== Object.getPrototypeOf(b) || (kind !== Object.prototype && kind !== Array.prototype)) return false;
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
  };

  /** What a page needs of a Backbone model: anywidget's promise to widget code. */
  class Model {
    /** @param {string} id @param {SavedModel} saved */
    constructor(id, saved) {
      this.id = id;
      this.saved = saved;
      this.state = saved.state;
      /** @type {Map<string, Set<Listener>>} */
      this.listeners = new Map();
      this.widget_manager = { get_model: getModel };
      for (const { data, path } of saved.buffers ?? []) if (data !== undefined) this.put(path, toDataView(data));
      /** What is not in its place yet. */
      this.missing = (saved.buffers ?? []).filter(({ file }) => file !== undefined);
    }
    /** @param {(string | number)[]} path @param {DataView} buffer */
    put(path, buffer) {
      const holder = path.slice(0, -1).reduce((/** @type {any} */ at, key) => at[key], this.state);
      holder[path[path.length - 1]] = buffer;
    }
    /** The missing buffers that the widget needs before it can be shown. */
    get needed() {
      // Widgets of others may have a trait of this name that means something else.
      const late = Array.isArray(this.state.late) ? this.state.late : [];
      return this.missing.filter(({ path }) => !late.includes(path[0]));
    }
    /** Done when these are in their places. @param {SavedBuffer[]} missing */
    async fill(missing) {
      await Promise.all(missing.map(async (buffer) => {
        const data = await brought(/** @type {string} */ (buffer.file));
        // Whoever else has waited for it may have put it there, and the widget something else since.
        if (!this.missing.includes(buffer)) return;
        this.put(buffer.path, data);
        this.missing = this.missing.filter((other) => other !== buffer);
      }));
    }
    /**
     * The value of a trait, when its buffers are in their places; with an index one item of it, for which no other has to come.
     * Traits that `late` names have to be asked for so. It fails with words for the reader where the data does not arrive.
     * @param {string} name @param {number} [index]
     */
    async bring(name, index) {
      await this.fill(this.missing.filter(({ path: [trait, item] }) => trait === name && (index === undefined || item === index)));
      return index === undefined ? this.get(name) : this.get(name)[index];
    }
    /** @param {string} name */
    get(name) {
      return this.state[name];
    }
    /** @param {string | Record<string, any>} name @param {any} [value] */
    set(name, value) {
      const changes = Object.entries(typeof name === "string" ? { [name]: value } : name).filter(
        ([key, next]) => !same(this.state[key], next),
      );
      // All values first, so that a listener never sees half of a change.
      for (const [key, next] of changes) this.state[key] = next;
      for (const [key, next] of changes) this.emit(`change:${key}`, this, next);
      if (changes.length) this.emit("change", this);
    }
    /** @param {string} event @param {any[]} args */
    emit(event, ...args) {
      for (const listener of [...(this.listeners.get(event) ?? [])]) listener(...args);
    }
    /** @param {string} events one name, or several apart by spaces @param {Listener} listener */
    on(events, listener) {
      for (const event of events.split(/\s+/)) {
        if (!this.listeners.has(event)) this.listeners.set(event, new Set());
        this.listeners.get(event)?.add(listener);
      }
    }
    /** @param {string | null} [events] all if left out @param {Listener | null} [listener] all if left out */
    off(events, listener) {
      for (const event of events ? events.split(/\s+/) : this.listeners.keys()) {
        if (listener) this.listeners.get(event)?.delete(listener);
        else this.listeners.delete(event);
      }
    }
    // There is no kernel: nothing to save to, nobody to send to.
    save_changes() {}
    send() {}
  }

  /** @type {Map<string, Model>} */
  const models = new Map();

  /** @param {string} id with or without the "IPY_MODEL_" that references carry */
  function find(id) {
    const model = models.get(id.replace("IPY_MODEL_", ""));
    if (!model) throw new Error(`no widget model ${id} in this page`);
    return model;
  }
  /** @param {string} id */
  async function getModel(id) {
    const model = find(id);
    await model.fill(model.needed);
    return model;
  }

  // A page never takes a widget away, so nothing is ever aborted, and the clean-up functions that widgets return
  // have no occasion to run.
  const signal = new AbortController().signal;

  // A site's policy may refuse what is imported from a Blob URL; the error then says no more than that it was not fetched.
  let refused = false;
  addEventListener("securitypolicyviolation", (event) => { refused ||= event.blockedURI.startsWith("blob"); });
  const importSource = once(async (/** @type {string} */ source) => {
    try {
      return await import(URL.createObjectURL(new Blob([source], { type: "text/javascript" })));
    } catch (error) {
      await new Promise((resolve) => setTimeout(resolve)); // the event comes after the error
      if (!refused) throw error;
      throw new Error("the security policy of this site does not allow it. Whoever runs the site has to add blob: to the script-src of its Content-Security-Policy.");
    }
  });

  // A page that was saved from a browser holds what was made in it, and it is all made again.
  for (const made of document.querySelectorAll(".widget-host-view, style[data-widget-style]")) made.remove();

  const addStyle = once((/** @type {string} */ css) => {
    const style = Object.assign(document.createElement("style"), { textContent: css });
    style.dataset.widgetStyle = "";
    document.head.append(style);
  });

  /** The widget's definition, with `initialize` done: once a model, however many views it has. */
  const initialized = once(async (/** @type {Model} */ model) => {
    const { default: exported } = await importSource(model.get("_esm"));
    const widget = typeof exported === "function" ? await exported() : exported;
    await widget.initialize?.({ model, signal });
    return widget;
  });

  /** @param {HTMLElement} el @param {string} kind @param {string} text */
  const note = (el, kind, text) =>
    el.replaceChildren(Object.assign(document.createElement("p"), { className: `widget-host-${kind}`, textContent: text }));

  /** @param {string} id @param {HTMLElement} el */
  async function mount(id, el) {
    let name = "here";
    try {
      const model = find(id);
      const { model_module: from, model_name: kind } = model.saved;
      name = (model.get("_anywidget_id") ?? kind).split(".").pop();
      if (from === "anywidget") {
        if (model.get("_css")) addStyle(model.get("_css"));
        if (model.needed.length) {
          // The widget's own style says how much room it will take.
          note(el, "loading", "Loading\u2026");
          el.dataset.widgetLoading = name;
          await model.fill(model.needed);
          el.replaceChildren();
          delete el.dataset.widgetLoading;
        }
        const widget = await initialized(model);
        await widget.render?.({ model, el, signal });
      } else if (from === "@jupyter-widgets/controls" && (kind === "VBoxModel" || kind === "HBoxModel")) {
        el.classList.add(kind === "VBoxModel" ? "widget-host-column" : "widget-host-row");
        await Promise.all(model.get("children").map((/** @type {string} */ child) =>
          mount(child, el.appendChild(document.createElement("div")))));
      } else {
        note(el, "unsupported", "This control needs a running notebook: open the chapter in Jupyter to use it.");
        return;
      }
      el.dataset.widgetMounted = "true";
    } catch (error) {
      console.error(error);
      delete el.dataset.widgetLoading;
      note(el, "error", `The widget ${name} could not be shown: ${error instanceof Error ? error.message : error}`);
    }
  }

  // The browser goes to the passage that the address names before the widgets above it are there, and these push it away. So
  // the passage stays where it is until the reader does anything; Safari does not see to that by itself.
  let stays = /** @type {any} */ (performance.getEntriesByType("navigation")[0])?.type === "navigate";
  for (const action of ["wheel", "touchmove", "mousedown", "keydown", "click"])
    addEventListener(action, () => { stays = false; }, { capture: true, passive: true });
  addEventListener("hashchange", () => { stays = true; });
  const grown = new ResizeObserver(() => {
    if (!stays) return;
    let name = location.hash.slice(1);
    try {
      name = decodeURIComponent(name);
    } catch {
      // It is no passage of ours, or its name has a percent sign in it.
    }
    if (name) document.getElementById(name)?.scrollIntoView({ behavior: "instant" });
  });
  // A margin at the top pushes the body down and makes only what is around it larger.
  for (const element of [document.body, document.documentElement]) grown.observe(element);

  for (const script of document.querySelectorAll('script[type="application/vnd.jupyter.widget-state+json"]')) {
    const { state, code } = JSON.parse(script.textContent ?? "{}");
    for (const [id, saved] of Object.entries(state)) {
      // A page of the book holds each text of code once, and names it by its number (published.py, share_code).
      for (const name of ["_esm", "_css"]) saved.state[name] = code?.[saved.state[name]] ?? saved.state[name];
      models.set(id, new Model(id, saved));
    }
  }
  const views = [...document.querySelectorAll('script[type="application/vnd.jupyter.widget-view+json"]')];
  Promise.all(views.map((script) => {
    const el = document.createElement("div");
    el.className = "widget-host-view";
    script.after(el);
    return mount(JSON.parse(script.textContent ?? "{}").model_id, el);
  })).then(() => {
    root.dataset.widgetHost = "ready";
  });
})();
