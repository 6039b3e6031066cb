// What all widgets share: making elements, the frame of an explorable, sliders, pictures, and state kept in the URL.

const CONTROLS = new Set(["a", "button", "input", "select", "summary", "textarea"]);

/**
 * An element with its properties and children.
 * Names with a dash (and `role`, `for`) are set as attributes, all others as properties; text is never parsed as HTML.
 * @param {string} tag
 * @param {Record<string, any>} [props]
 * @param {...(Node|string)} children
 * @returns {any}
 */
export function el(tag, props = {}, ...children) {
  const node = /** @type {any} */ (document.createElement(tag));
  for (const [name, value] of Object.entries(props)) {
    if (name.includes("-") || name === "role" || name === "for") node.setAttribute(name, value);
    else node[name] = value;
  }
  // The keys pressed in a control are its own: JupyterLab, for which the arrows and Enter move between cells, leaves
  // them alone where it finds this mark.
  if (CONTROLS.has(tag) || "tabIndex" in props) node.setAttribute("data-lm-suppress-shortcuts", "true");
  // In a page that a browser translates, code stays what it is.
  if (tag === "code") node.translate = false;
  node.append(...children);
  return node;
}

// JupyterLab lets no line break into a field that stands in a notebook's output: it hears of it here first, and no more.
addEventListener("beforeinput", (event) => {
  if (event.target instanceof HTMLTextAreaElement && event.target.closest(".sae")) event.stopPropagation();
}, { capture: true });

/**
 * Whether a key goes to an input method, with which letters of many languages are put together. Safari tells of the last such
 * key only by its old code. @param {KeyboardEvent} event
 */
export const composes = (event) => event.isComposing || event.keyCode === 229;

let ids = 0;
/** An id that no other element of the page has. @param {string} stem */
export const uniqueId = (stem) => `sae-${stem}-${++ids}-${Math.random().toString(36).slice(2, 7)}`;

/**
 * Numbers in [0, 1) that look random and are always the same for a state to start from (mulberry32).
 * @param {number} state a whole number of 32 bits
 * @returns {() => number}
 */
export function randomFrom(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/**
 * The items in an order that looks random and is always the same for a seed (FNV-1a of its text starts the numbers).
 * @template T @param {T[]} items @param {string} seed @returns {T[]}
 */
export function shuffled(items, seed) {
  let state = 2166136261;
  for (const letter of seed) state = Math.imul(state ^ (letter.codePointAt(0) ?? 0), 16777619);
  const random = randomFrom(state);
  const order = [...items];
  for (let last = order.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [order[last], order[other]] = [order[other], order[last]];
  }
  return order;
}

/** Numbers that came as bytes (little-endian float32). @param {DataView} view @returns {Float32Array} */
export const floats = (view) => new Float32Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

/**
 * The value of a trait when its data is there, or one item of it. On a page of the book, the data of the traits that the widget names
 * in its trait `late` comes only when it is asked for so; in a notebook, or in a file of its own, it is always there.
 * Where it does not arrive, this fails with an Error whose message is words for the reader, and may be tried again. Widgets with the
 * same data get the same bytes: who gives them away (to a worker, by transfer) gives away a copy.
 * @param {any} model @param {string} name @param {number} [index]
 * @returns {Promise<any>}
 */
export async function brought(model, name, index) {
  if (model.bring) return model.bring(name, index);
  const value = model.get(name);
  return index === undefined ? value : value[index];
}

/**
 * The frame that every explorable has: title, question, controls, stage, readout, caption.
 * The readout's words change at once; the live region repeats them only after the reader pauses, so that a drag is
 * not read out word by word.
 * @param {HTMLElement} root
 * @param {{get: (name: string) => any}} model
 * @returns {{controls: HTMLElement, stage: HTMLElement, say: (words: string) => void}}
 */
export function explorable(root, model) {
  const heading = uniqueId("title");
  const controls = el("div", { className: "sae-controls" });
  const stage = el("div", { className: "sae-stage" });
  const readout = el("p", { className: "sae-readout", "aria-hidden": "true" });
  const live = el("p", { className: "sae-unseen", role: "status" });
  root.append(
    el("section", { className: "sae sae-explorable", "aria-labelledby": heading },
      el("p", { className: "sae-title", id: heading }, model.get("title")),
      el("p", { className: "sae-prediction" }, model.get("prediction")),
      controls, stage, readout, live,
      el("p", { className: "sae-caption" }, model.get("caption"))));
  let timer = 0;
  return {
    controls,
    stage,
    say(words) {
      if (words === readout.textContent) return;
      // What stands there from the start is read where it stands; only changes are announced.
      const change = readout.textContent !== "";
      readout.textContent = words;
      clearTimeout(timer);
      if (!change) return;
      timer = window.setTimeout(() => { live.textContent = words; }, 500);
    },
  };
}

/**
 * A finger that comes down on a control may be about to scroll the page. Then the browser takes it over, and what the control
 * has taken for an answer in the meantime is undone: `undo` gets what `save` gave when the finger came down.
 * @template T @param {HTMLElement} node @param {() => T} save @param {(saved: T) => void} undo
 */
export function undoWhenScrolled(node, save, undo) {
  /** @type {{saved: T}|undefined} */
  let finger;
  node.addEventListener("pointerdown", (event) => { finger = event.pointerType === "touch" ? { saved: save() } : undefined; });
  node.addEventListener("pointerup", () => { finger = undefined; });
  node.addEventListener("pointercancel", () => {
    if (finger) undo(finger.saved);
    finger = undefined;
  });
}

/**
 * A labelled slider that says its value in words.
 * @param {{label: string|Node, min: number, max: number, step?: number, value: number,
 *          words: (value: number) => string, onInput: (value: number) => void, onRelease?: () => void}} options
 *   `onRelease` is called when the reader lets go of it, or presses a key
 * @returns {{node: HTMLElement, set: (value: number) => void}}
 */
export function slider({ label, min, max, step = 1, value, words, onInput, onRelease = () => {} }) {
  const input = el("input", { type: "range", min, max, step, id: uniqueId("slider") });
  // For the eye alone: a screen reader hears the slider's own words, and an <output> would be read out as well.
  const shown = el("span", { className: "sae-value", "aria-hidden": "true" });
  // The handle stands on the nearest step; the words are those of the number itself.
  const show = (/** @type {number} */ number) => {
    shown.textContent = words(number);
    input.setAttribute("aria-valuetext", words(number));
  };
  const set = (/** @type {number} */ number) => { input.value = String(number); show(number); };
  set(value);
  input.addEventListener("input", () => { show(Number(input.value)); onInput(Number(input.value)); });
  input.addEventListener("change", onRelease);
  undoWhenScrolled(input, () => Number(input.value), (before) => {
    if (Number(input.value) === before) return;
    set(before);
    onInput(before);
    onRelease();
  });
  return { node: el("div", { className: "sae-slider" }, el("label", { for: input.id }, label), input, shown), set };
}

/**
 * Let a surface have the finger that drags on it: its `touch-action: none` keeps the page from scrolling, but after a flick
 * the browser would still take the next tap, wherever it is, for one that is to stop the page, and lose it.
 * @param {Element} surface
 */
export const holdFinger = (surface) => surface.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });

/**
 * A square picture on a canvas, a pixel a number.
 * `ink` pictures go from nothing (0) to full ink (1). `signed` ones show what is added in orange and what is taken away
 * in blue, and zero as the bare ground; `scale` is the number that gets the full colour.
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} pixels
 * @param {{signed?: boolean, scale?: number}} [options]
 */
export function paint(canvas, pixels, { signed = false, scale = 1 } = {}) {
  const side = Math.round(Math.sqrt(pixels.length));
  canvas.width = canvas.height = side;
  canvas.classList.toggle("sae-ink", !signed);
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(side, side);
  for (let i = 0; i < pixels.length; i++) {
    const [red, green, blue] = !signed ? [0, 0, 0] : pixels[i] > 0 ? [230, 159, 0] : [86, 180, 233];
    const strength = signed ? Math.abs(pixels[i]) / scale : pixels[i] / scale;
    // One by one: a list for each pixel would be most of the work of a drag.
    image.data[4 * i] = red;
    image.data[4 * i + 1] = green;
    image.data[4 * i + 2] = blue;
    image.data[4 * i + 3] = 255 * Math.max(0, Math.min(1, strength));
  }
  context.putImageData(image, 0, 0);
}

/**
 * A picture with its name under it, framed in the colour of its role.
 * @param {"input"|"code"|"reconstruction"|"error"} role
 * @param {string} name
 * @param {Node} content
 */
export const station = (role, name, content) =>
  el("div", { className: `sae-station sae-${role}` }, el("div", { className: "sae-frame" }, content), el("p", { className: "sae-name" }, name));

/**
 * An error in percent: the squared error of a copy as a share of what the average picture gets wrong.
 * @param {ArrayLike<number>} picture @param {ArrayLike<number>} copy @param {ArrayLike<number>} mean
 */
export const errorPercent = (picture, copy, mean) => Math.round((100 * squaredError(picture, copy)) / squaredError(picture, mean));

/**
 * The same in words.
 * @param {ArrayLike<number>} picture @param {ArrayLike<number>} copy @param {ArrayLike<number>} mean
 */
export function errorInWords(picture, copy, mean) {
  const percent = errorPercent(picture, copy, mean);
  return percent > 100 ? `Error: ${percent}%, worse than answering with the average digit.` : `Error: ${percent}%.`;
}

/** @param {ArrayLike<number>} a @param {ArrayLike<number>} b */
export const squaredError = (a, b) => Array.from(a).reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0);

/** "a 3", but "an 8". @param {number} digit */
export const article = (digit) => `${digit === 8 ? "an" : "a"} ${digit}`;

/** What stands between two stations: a sign, and a word under it. @param {string} mark @param {string} [word] */
export const sign = (mark, word = "") => el("div", { className: "sae-sign" }, mark, el("p", { className: "sae-name" }, word));

/**
 * A feature as it looks everywhere in the book: a brick with its picture, its number, and a bar for how strongly it is
 * on. Off, it is an outline.
 * @param {{number: number, picture?: ArrayLike<number>, scale: number}} feature `scale`: the activation that fills the bar; what
 *   a feature of a language model draws is no picture, so that its brick has its number on its face
 * @returns {{node: HTMLElement, set: (activation: number) => void}}
 */
export function brick({ number, picture, scale }) {
  const canvas = picture ? el("canvas", {}) : el("span", { className: "sae-blank", "aria-hidden": "true" }, `#${number}`);
  if (picture) paint(canvas, picture, { signed: true, scale: Math.max(...Array.from(picture, Math.abs)) });
  const bar = el("span", { className: "sae-bar" });
  const strength = el("span", { className: "sae-strength", "aria-hidden": "true" });
  const node = el("div", { className: "sae-brick", role: "img" },
    canvas, bar, ...(picture ? [el("span", { className: "sae-name", "aria-hidden": "true" }, `#${number}`)] : []), strength);
  let shown = NaN;
  const set = (/** @type {number} */ activation) => {
    // A whole box of bricks is set at every move of a slider, and hardly any of them changes.
    if (activation === shown) return;
    shown = activation;
    node.classList.toggle("sae-on", activation > 0);
    node.setAttribute("aria-label", `brick ${number}, ${activation > 0 ? `on at ${activation.toFixed(2)}` : "off"}`);
    strength.textContent = activation > 0 ? `× ${activation.toFixed(1)}` : "";
    bar.style.setProperty("--share", String(Math.min(1, activation / scale)));
  };
  set(0);
  return { node, set };
}

/**
 * A row of choices of which one is taken: native radio buttons under a legend.
 * @param {{label: string, choices: {name: string, face: Node|string}[], value: number, onInput: (index: number) => void}} options
 *   `name` is what a screen reader says, `face` what is seen
 * @returns {{node: HTMLElement, set: (index: number) => void}} `set(-1)` takes none
 */
export function chooser({ label, choices, value, onInput }) {
  const group = uniqueId("choice");
  const inputs = choices.map(({ name }, index) =>
    el("input", { type: "radio", name: group, "aria-label": name, onchange: () => onInput(index) }));
  const set = (/** @type {number} */ index) => inputs.forEach((input, i) => { input.checked = i === index; });
  set(value);
  return {
    node: el("fieldset", { className: "sae-chooser" }, el("legend", {}, label),
      ...choices.map(({ face }, index) => el("label", {}, inputs[index], el("span", { className: "sae-face" }, face)))),
    set,
  };
}

// Browsers refuse to change an address too often; Safari does so with an error, from the hundredth time within 30 seconds on.
const BETWEEN_WRITINGS = 400, AFTER_REFUSAL = 5000; // ms
/** What the address does not say yet, by name. @type {Map<string, string>} */
const unwritten = new Map();
let [nextWriting, writingTimer] = [0, 0];

function writeAddress() {
  clearTimeout(writingTimer);
  writingTimer = 0;
  if (!unwritten.size) return;
  const hash = new URLSearchParams(location.hash.slice(1));
  // A hash that is the address of a passage ("#summary") is no state of ours: it gives way.
  for (const [key, text] of [...hash]) if (text === "") hash.delete(key);
  for (const [name, value] of unwritten) hash.set(name, value);
  let pause = BETWEEN_WRITINGS;
  try {
    history.replaceState(null, "", `#${hash}`);
    unwritten.clear();
  } catch {
    pause = AFTER_REFUSAL;
    writingTimer = window.setTimeout(writeAddress, pause);
  }
  nextWriting = performance.now() + pause;
}
// Who leaves comes back to what was there last; where somebody else has set the address, it says all.
addEventListener("pagehide", writeAddress);
addEventListener("hashchange", () => unwritten.clear());

/**
 * State worth sharing, kept in the URL's hash as `#name=value` on a published page.
 * In a live notebook the address belongs to the notebook's own program, so there it does nothing.
 * @param {string} name
 * @returns {{get: () => string|null, whole: () => number[], set: (value: string) => void}}
 */
export function hashState(name) {
  const published = () => document.documentElement.dataset.widgetHost !== undefined;
  const get = () => (published() ? unwritten.get(name) ?? new URLSearchParams(location.hash.slice(1)).get(name) : null);
  return {
    get,
    /** The whole numbers, none negative, that stand there with dots between them; [] where anything else stands there. */
    whole() {
      const text = get() ?? "";
      return /^\d+(\.\d+)*$/.test(text) ? text.split(".").map(Number) : [];
    },
    set(value) {
      if (!published()) return;
      unwritten.set(name, value);
      const wait = nextWriting - performance.now();
      if (wait <= 0) writeAddress();
      else if (!writingTimer) writingTimer = window.setTimeout(writeAddress, wait);
    },
  };
}
