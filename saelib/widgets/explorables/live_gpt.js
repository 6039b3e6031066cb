import { brought, el, explorable, hashState, slider, uniqueId } from "../common.js";
import { board, brickInWords, finder, turned } from "./inside/board.js";
import { guesses, percent } from "./inside/guesses.js";
import { heads } from "./inside/heads.js";
import { connect } from "./inside/link.js";
import { copyPicture, picture } from "./inside/picture.js";
import { strip } from "./inside/strip.js";
import { writing } from "./inside/writing.js";
import { inWords, spoken } from "./token_words.js";

/**
 * @typedef {import("./inside/heads.js").Head} Head
 * @typedef {{start: Int32Array, number: Int32Array, strength: Float32Array}} On the bricks that are on, token after token
 * @typedef {{bits: Float32Array, top: Int32Array, share: Float32Array, features: On}} Read
 * @typedef {Read & {ids: Int32Array, begins: Int32Array, ends: Int32Array, left: number, edited: Read|null}} Reading as the engine answers
 * @typedef {{settings: {n_layers: number, n_heads: number, context: number}, tokens: string[], features: number, block: number}} Loaded
 * @typedef {{text: string, place: number|null, gains: Map<number, number>, puts: Map<number, number>, here: boolean, heads: Head[], head: Head|null, brick: number|null, younger: number|null}} State
 *   `place`: the framed token, or null for the last; `head` and `brick`: what the text is shaded by, its surprise where neither is; `younger`: which of the steps reads
 */

const TOP = 10; // guesses that the engine gives for each token
const MOST_BITS = 12; // the surprise that is shaded in full
const PAUSE = 800; // ms: what changes within it is one step of "Undo"
const WRITTEN = 120; // tokens at a time

/** What was loaded, by the data that it was loaded from, the GPT's and the box's: explorables of one page share it. @type {WeakMap<object, Map<object|null, {key: string, loaded: Promise<Loaded>}>>} */
let shared = new WeakMap();

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    /** @type {string[]} */
    const parts = model.get("parts");
    const shows = (/** @type {string} */ part) => parts.includes(part);
    const { controls, stage, say } = explorable(root, model);
    const section = /** @type {HTMLElement} */ (root.querySelector(".sae-explorable"));
    section.classList.add("sae-live");
    section.id = `live-${model.get("address")}`;
    const address = hashState(section.id);
    const session = uniqueId("session");
    // @ts-ignore: the engine's source stands before this module (live_gpt.py)
    const link = connect(LIVE_ENGINE);

    /** @type {[string, string][]} */
    const examples = model.get("examples");
    /** @type {number[]} */
    const steps = [...model.get("steps"), ...(model.get("step") === null ? [] : [model.get("step")])];
    /** @type {Map<number, [string|null, number|null, number]>} */
    let cards = new Map();
    const told = model.get("told") ?? 0;
    const names = {
      count: 0,
      name(/** @type {number} */ feature) {
        const [label, f1, maximum] = cards.get(feature) ?? [null, null, 0];
        return { label, f1, maximum, weak: label !== null && (f1 ?? 0) < told, card: model.get("cards_here") && cards.has(feature) };
      },
    };
    // What it opens with, which the traits say only until something is changed.
    const [opening, place0, here0] = ["text", "place", "here"].map((name) => model.get(name));
    const [gains0, puts0] = ["gains", "puts"].map((name) => JSON.parse(JSON.stringify(model.get(name))));
    /** @returns {State} */
    const beginning = () => ({ text: opening, place: place0, gains: new Map(gains0), puts: new Map(puts0), here: here0, heads: [], head: null, brick: null, younger: null });
    /** Another text begins anew; the one that it opened with, as it opened. @param {string} text */
    const begin = (text) => ({ ...beginning(), ...(text === opening ? {} : { text, place: null, gains: new Map(), puts: new Map() }), younger: state.younger });
    let state = beginning();

    /** @type {Loaded|null} */
    let loaded = null;
    let key = "";
    /** @type {Reading|null} */
    let reading = null;
    /** @type {import("./inside/heads.js").Look|null} */
    let look = null;
    /** @type {Float32Array|null} */
    let without = null;
    /** The text that `reading` is of, and the GPT that read it. */
    let [readText, readKey] = ["", ""];

    // What is typed, and what is done with it.
    const field = el("textarea", { id: uniqueId("text"), className: "sae-live-text", rows: 6, spellcheck: false, autocapitalize: "off", autocomplete: "off", translate: false });
    field.value = state.text;
    const status = el("p", { className: "sae-live-status", role: "status" });
    const undo = el("button", { type: "button", onclick: takeBack }, "Undo");
    const copy = el("button", { type: "button", onclick: toPicture }, "Copy as a picture");
    const tools = el("div", { className: "sae-live-tools" },
      ...examples.map(([name, text]) => el("button", { type: "button", className: "sae-live-example", translate: false, "aria-label": `Example: ${name}`, onclick: () => change(begin(text)) }, name)),
      undo, copy);
    controls.append(el("div", { className: "sae-live-field" }, el("label", { for: field.id }, "Your text"), field, tools));

    const tokens = strip({ label: "Tokens of the text; the framed one is what everything below is about", onChoose: (place) => change({ place }) });
    const legend = el("p", { className: "sae-live-legend sae-aside" });
    const plain = el("button", { type: "button", className: "sae-fold", onclick: () => change({ head: null, brick: null }) }, "Shade by surprise");
    const list = guesses();
    const age = steps.length && shows("younger") ? slider({
      label: "Step of training", min: 0, max: steps.length - 1, value: steps.length - 1,
      words: (at) => `${steps[at].toLocaleString("en")}${at === steps.length - 1 ? ", the end" : ""}`, onInput: (at) => change({ younger: at === steps.length - 1 ? null : at }),
    }) : null;
    if (age) controls.append(age.node);
    const box = shows("bricks") ? board({ names, turns: shows("turn"), onShade: (brick) => change({ brick, head: null }), onTurn: turn }) : null;
    const finding = shows("bricks") && !shows("turn") ? finder({ names, label: "Shade the text by brick", verb: "Shade", onGive: (brick) => change({ brick, head: null }) }) : null;
    const turning = shows("turn") ? turned({ names, onTurn: turn,
      onChange(kind, feature, value) {
        const next = new Map(state[kind]);
        if (value === null) next.delete(feature);
        else next.set(feature, value);
        change({ [kind]: next });
      },
      onWhere: (here) => change({ here }) }) : null;
    const pen = shows("write") ? writing({ controls: shows("turn"), onWrite: write, onStop: () => link.ask("stop", { session }).catch(() => {}), onTake: (text) => change({ text: readText + text, place: null }) }) : null;
    /** @type {ReturnType<typeof heads>|null} */
    let looks = null;
    const looksRoom = el("div", {});
    // What is left without a head is shown to those who have chosen one: it would give the answer away.
    let guessedHead = false;
    const columns = el("div", { className: "sae-live-columns" }, el("div", {}, list.node, ...(shows("heads") ? [looksRoom] : [])),
      ...(box ? [el("div", {}, ...(turning ? [turning.node] : []), box.node, ...(finding ? [finding.node] : []))] : []));
    stage.append(status, tokens.node, el("div", { className: "sae-live-tools" }, legend, plain), columns, ...(pen ? [pen.node] : []));
    stage.classList.add("sae-live-stage");

    // State, and how it changes.

    /** @type {{at: number, kind: string}} */
    let last = { at: -Infinity, kind: "" };
    /** @type {State[]} */
    const past = [];
    /** @param {Partial<State>} news */
    function change(news) {
      const kind = Object.keys(news).join();
      const now = performance.now();
      if (now - last.at > PAUSE || kind !== last.kind) past.push(state);
      if (past.length > 200) past.shift();
      last = { at: now, kind };
      apply({ ...state, ...news });
      share();
    }
    /** @param {State} next */
    function apply(next) {
      const before = state;
      state = next;
      if (field.value !== state.text) field.value = state.text;
      undo.setAttribute("aria-disabled", String(!past.length));
      age?.set(state.younger ?? steps.length - 1);
      turning?.show(state);
      pen?.compare(state.gains.size + state.puts.size > 0);
      tell({ text: state.text, gains: [...state.gains], puts: [...state.puts] });
      const same = (/** @type {keyof State} */ name) => JSON.stringify(flat(before[name])) === JSON.stringify(flat(state[name]));
      const placed = !same("place") && state.here;
      if (!placed && ["text", "gains", "puts", "here", "heads", "younger"].every((name) => same(/** @type {keyof State} */ (name)))) {
        if (reading) draw();
        if (!same("place")) glance();
      } else {
        pen?.age();
        read();
      }
    }
    function takeBack() {
      const before = past.pop();
      if (!before) return;
      last = { at: -Infinity, kind: "" };
      apply(before);
      share();
    }
    /** What JSON can hold. @param {any} value */
    const flat = (value) => (value instanceof Map ? [...value] : value);
    function share() {
      const first = beginning();
      const parts = Object.entries(state).filter(([name, value]) => JSON.stringify(flat(value)) !== JSON.stringify(flat(first[/** @type {keyof State} */ (name)])));
      if (parts.length || address.get()) address.set(JSON.stringify(Object.fromEntries(parts.map(([name, value]) => [name, flat(value)]))));
    }
    /** What the address says, as far as it fits. @returns {State|null} */
    function restored() {
      /** @type {any} */
      let said;
      try {
        said = JSON.parse(address.get() ?? "null");
      } catch {
        return null;
      }
      if (!said || typeof said !== "object") return null;
      const whole = (/** @type {unknown} */ value) => Number.isInteger(value) && Number(value) >= 0;
      const pairs = (/** @type {any} */ value) => Array.isArray(value) && value.every((pair) => Array.isArray(pair) && pair.length === 2 && whole(pair[0]) && Number.isFinite(pair[1]) && pair[1] >= 0);
      const next = beginning();
      if (typeof said.text === "string") next.text = said.text;
      if (said.place === null || whole(said.place)) next.place = said.place;
      for (const name of /** @type {const} */ (["gains", "puts"])) if (shows("turn") && pairs(said[name])) next[name] = new Map(said[name]);
      if (typeof said.here === "boolean") next.here = said.here;
      if (shows("heads") && pairs(said.heads)) next.heads = said.heads;
      if (shows("heads") && pairs([said.head])) next.head = said.head;
      if (whole(said.brick)) next.brick = said.brick;
      if (shows("younger") && whole(said.younger) && said.younger < steps.length - 1) next.younger = said.younger;
      return next;
    }
    let telling = false;
    /** To the kernel, if there is one. @param {Record<string, any>} traits */
    function tell(traits) {
      telling = true;
      for (const [name, value] of Object.entries(traits)) model.set(name, value);
      model.save_changes();
      telling = false;
    }
    const heard = () => {
      if (telling) return;
      apply({ ...state, text: model.get("text"), gains: new Map(model.get("gains")), puts: new Map(model.get("puts")), place: model.get("text") === state.text ? state.place : null });
    };
    for (const name of ["text", "gains", "puts"]) model.on(`change:${name}`, heard);

    /** @param {number} feature */
    function turn(feature) {
      const { gains, puts } = state;
      if (gains.has(feature) || puts.has(feature)) return;
      const on = reading && entries(reading.features, state.here ? place() : null).some(([other]) => other === feature);
      if (on) change({ gains: new Map([...gains, [feature, 0]]) });
      else change({ puts: new Map([...puts, [feature, Math.round(5 * names.name(feature).maximum) / 10 || 5]]) });
    }

    // The engine.

    const length = () => reading?.ids.length ?? 1;
    const place = (all = length()) => Math.min(state.place ?? Infinity, all - 1);
    /** What is turned, in a text of so many tokens. */
    const changed = (all = length()) => {
      const gains = [...state.gains].filter(([, gain]) => gain !== 1), puts = [...state.puts].filter(([, strength]) => strength > 0);
      return gains.length || puts.length || state.heads.length ? { gains, puts, at: state.here ? place(all) : null, heads: state.heads, control: null } : null;
    };
    const words = () => (reading && loaded ? Array.from(reading.ids, (id, i) => (i === 0 ? "" : /** @type {string} */ (readText.slice(/** @type {Reading} */ (reading).begins[i], /** @type {Reading} */ (reading).ends[i]) || loaded?.tokens[id]))) : []);
    /** The bricks that are on at a token, or anywhere. @param {On} on @param {number|null} at @returns {[number, number][]} */
    const entries = (on, at) => (on.start.length ? Array.from(on.number.subarray(at === null ? 0 : on.start[at], at === null ? on.number.length : on.start[at + 1]), (feature, i) => [feature, on.strength[(at === null ? 0 : on.start[at]) + i]]) : []);
    /** @param {Read} read @param {number} at @returns {[string, number][]} */
    const top = (read, at) => Array.from({ length: TOP }, (_, i) => [loaded?.tokens[read.top[TOP * at + i]] ?? "", read.share[TOP * at + i]]);

    let [started, asked] = [false, 0];
    let waiting = 0;
    /** @param {1|-1} more */
    const busy = (more) => section.setAttribute("aria-busy", String((waiting += more) > 0));
    /** @template T @param {Promise<T>} promise @returns {Promise<T>} */
    async function wait(promise) {
      busy(1);
      try {
        return await promise;
      } finally {
        busy(-1);
      }
    }
    /** Whatever went wrong: the text stays. @param {unknown} error */
    function fail(error) {
      started = false;
      // A worker that died has forgotten all that it had loaded.
      shared = new WeakMap();
      status.replaceChildren(el("span", { className: "sae-missing" }, `The GPT does not answer: ${error instanceof Error ? error.message : error} Your text is kept. `),
        el("button", { type: "button", onclick: () => { status.replaceChildren(); start(); } }, "Start it again"));
    }
    /** Bring the GPT, or one of its younger selves. @param {number|null} younger @returns {Promise<{key: string, loaded: Loaded}>} */
    async function load(younger) {
      const weights = await (younger === null ? brought(model, "weights") : brought(model, "younger", younger));
      const box = younger === null && ["bricks", "turn"].some(shows) ? await brought(model, "box") : null;
      const vocabulary = younger === null ? await brought(model, "vocabulary") : null;
      // From here on nothing is waited for, so that of two explorables that start at once the second finds what the first has asked for.
      if (!shared.has(weights)) shared.set(weights, new Map());
      const entries = /** @type {Map<object|null, {key: string, loaded: Promise<Loaded>}>} */ (shared.get(weights));
      let entry = entries.get(box);
      if (!entry) {
        const bytes = (/** @type {DataView} */ view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
        const name = uniqueId("gpt");
        const request = vocabulary ? { tokenizer: bytes(vocabulary), ...(box && { sae: bytes(box) }) } : { like: key };
        entry = { key: name, loaded: link.ask("load", { key: name, gpt: bytes(weights), ...request }) };
        entries.set(box, entry);
        entry.loaded.catch(() => entries.delete(box));
      }
      return { key: entry.key, loaded: await entry.loaded };
    }
    async function start() {
      if (started) return;
      started = true;
      status.textContent = "The GPT is on its way into the page: some 2 MB, once.";
      try {
        const table = await wait(brought(model, "cards"));
        cards = new Map(JSON.parse(new TextDecoder().decode(table) || "[]").map((/** @type {[number, string|null, number|null, number]} */ [feature, ...rest]) => [feature, rest]));
        ({ key, loaded } = await wait(load(null)));
        names.count = loaded.features;
        status.textContent = "";
        if (shows("heads") && !looks) {
          const { n_layers: layers, n_heads: count } = loaded.settings;
          looks = heads({ layers, heads: count, onChoose(head) { guessedHead = true; change({ head, brick: null }); }, onAllOn: () => change({ heads: [] }),
            onOff: ([block, head]) => change({ heads: state.heads.some((one) => one[0] === block && one[1] === head) ? state.heads.filter((one) => one[0] !== block || one[1] !== head) : [...state.heads, [block, head]] }) });
          looksRoom.replaceChildren(looks.node);
        }
        turning?.forget();
        turning?.show(state);
        await read();
      } catch (error) {
        fail(error);
      }
    }
    let [reads, again] = [false, false];
    /** One reading after the other: what changes meanwhile is read next, so that a slow machine, too, shows what a slider does while it moves. */
    async function read() {
      again = true;
      if (reads) return;
      reads = true;
      busy(1);
      while (again) {
        again = false;
        await readOnce();
      }
      busy(-1);
      reads = false;
      glance();
    }
    async function readOnce() {
      if (!loaded) return;
      const mine = ++asked;
      try {
        // What can't be within its reach need not be sent.
        const text = state.text.slice(0, loaded.settings.context * 200);
        let own = { key, loaded };
        if (state.younger !== null) {
          status.textContent = `The GPT of step ${steps[state.younger].toLocaleString("en")} is on its way into the page.`;
          own = await wait(load(state.younger));
          if (mine !== asked) return;
        }
        const ask = (/** @type {number} */ all) => wait(link.ask("read", { key: own.key, session, text, change: changed(all) }));
        const guessed = length();
        let answer = await ask(guessed);
        // Where the last token is, by which the change is bound to a place, is known only now.
        if (answer && mine === asked && state.here && place(guessed) !== place(answer.ids.length)) answer = await ask(answer.ids.length);
        // Overtaken: what came later answers.
        if (!answer || mine !== asked) return;
        reading = answer;
        [readText, readKey] = [text, own.key];
        look = without = null;
        const left = state.text.length - answer.ends[answer.ends.length - 1];
        status.textContent = left > 0 ? `It reads ${loaded.settings.context} tokens at once, so the last ${left.toLocaleString("en")} letters are not read.` : "";
        tell({ tokens: words(), features: Array.from(answer.ids, (_, at) => entries(answer.features, at)) });
        draw();
      } catch (error) {
        if (mine === asked) fail(error);
      }
    }
    /** Where the heads look from the framed token. */
    async function glance() {
      if (!looks || !reading) return;
      const [mine, at, from] = [asked, place(), readKey];
      try {
        const now = await wait(link.ask("look", { key: from, session, place: at, change: changed() }));
        if (mine !== asked || at !== place() || !now) return;
        look = now;
        without = null;
        draw();
        const rest = await wait(link.ask("without", { key: from, session, place: at }));
        if (mine !== asked || at !== place() || !rest) return;
        without = rest.share;
        draw();
      } catch (error) {
        if (mine === asked) fail(error);
      }
    }

    // What is seen.

    /** How each token is shaded. @returns {{shaded: {word: string, share: number, said: string}[], colour: string, legend: string}} */
    function shades() {
      const now = /** @type {Reading} */ (reading);
      const all = words();
      if (state.brick !== null) {
        const [feature, named] = [state.brick, names.name(state.brick)];
        const found = Array.from(now.ids, (_, at) => entries(now.features, at).find(([other]) => other === feature)?.[1] ?? 0);
        const most = named.maximum || Math.max(...found, 1);
        const strongest = found.indexOf(Math.max(...found));
        return { colour: "var(--sae-code)", legend: `Shaded by brick ${brickInWords(feature, named)}. ${found[strongest] ? `It is strongest at ${inWords(all[strongest])}, with ${found[strongest].toFixed(1)}.` : "It is off everywhere in this text."}`,
          shaded: all.map((word, at) => ({ word, share: found[at] ? Math.min(1, found[at] / most) : -1, said: found[at] ? `brick ${feature} on at ${found[at].toFixed(1)}` : `brick ${feature} off` })) };
      }
      if (state.head && look && loaded) {
        const [block, head] = state.head;
        const at = place();
        const row = look.rows.subarray((block * loaded.settings.n_heads + head) * (at + 1), (block * loaded.settings.n_heads + head + 1) * (at + 1));
        return { colour: "var(--sae-input)", legend: `Shaded by where block ${block}, head ${head} looks from the framed token.`,
          shaded: all.map((word, i) => ({ word, share: i <= at && row[i] >= 0.01 ? row[i] : -1, said: i <= at ? `${percent(row[i])} of its attention` : "not seen from the framed token" })) };
      }
      return { colour: "var(--sae-error)", legend: `Shaded by surprise: the stronger, the more bits the token cost; full shade is ${MOST_BITS} bits.`,
        shaded: all.map((word, at) => ({ word, share: now.bits[at] > 0 ? Math.min(1, now.bits[at] / MOST_BITS) : -1, said: at ? `${now.bits[at].toFixed(1)} bits` : "" })) };
    }
    function draw() {
      if (!reading || !loaded) return;
      const at = place();
      const { shaded, colour, legend: words_ } = shades();
      tokens.show(shaded, at, colour);
      legend.textContent = words_;
      plain.hidden = state.brick === null && state.head === null;
      const plainTop = top(reading, at), editedTop = reading.edited ? top(reading.edited, at) : null;
      list.show(plainTop, editedTop);
      const word = at === 0 ? "the beginning" : inWords(shaded[at].word) || "␣";
      box?.show({ on: entries(reading.features, at), word, shaded: state.brick, turned: new Set([...state.gains.keys(), ...state.puts.keys()]) });
      if (looks && look) looks.show({ look, words: shaded.map((one) => one.word), place: at, tokens: loaded.tokens, chosen: state.head, off: state.heads, without: guessedHead ? without : null, guess: plainTop[0] });
      const cost = at > 0 ? ` “${word}” itself cost ${reading.bits[at] < 0.05 ? "less than 0.05" : reading.bits[at].toFixed(1)} bits.` : "";
      const who = state.younger === null ? "the GPT" : `the GPT of step ${steps[state.younger].toLocaleString("en")}`;
      const mean = steps.length && shows("younger") && reading.bits.length > 1 ? ` The text cost it ${(reading.bits.slice(1).reduce((sum, bits) => sum + bits, 0) / (reading.bits.length - 1)).toFixed(1)} bits a token.` : "";
      const guess = (/** @type {[string, number][]} */ [[first, share], [second, less]]) => `“${inWords(first) || spoken(first)}” with ${percent(share)}, then “${inWords(second) || spoken(second)}” with ${percent(less)}`;
      say(`After “${word}” ${who} expects ${guess(plainTop)}.${editedTop ? ` With what you turned: ${guess(editedTop)}.` : ""}${cost}${mean}`);
      announce();
    }

    /** To the questions of the page. */
    function announce() {
      if (!reading || !loaded) return;
      const at = place();
      const now = reading;
      document.dispatchEvent(new CustomEvent("saelive", { detail: {
        name: model.get("address"), title: model.get("title"), text: readText, tokens: words(), place: at, guesses: top(now, at),
        bits: Array.from(now.bits, (bits) => (Number.isFinite(bits) ? bits : null)), features: entries(now.features, at),
        edited: now.edited && { guesses: top(now.edited, at), gains: [...state.gains], puts: [...state.puts], heads: state.heads },
        step: state.younger === null ? model.get("step") : steps[state.younger],
        example: [opening, ...examples.map(([, text]) => text)].includes(readText),
      } }));
    }
    document.addEventListener("saelive-ask", announce);

    let writes = 0;
    /** What is written anew stops what was being written. @param {import("./inside/writing.js").Lots} lots */
    async function write(lots) {
      if (!reading || !pen) return;
      const mine = ++writes;
      const now = changed();
      const pushes = now !== null && now.gains.length + now.puts.length > 0;
      const where = now?.at !== null ? "at the framed token only" : now.gains.length ? "at every token where it is on" : "at every token";
      const sheets = [{ name: state.younger === null ? "As it is" : `At step ${steps[state.younger].toLocaleString("en")}`, note: "Nothing is changed." }, ...(now ? [{ name: "With what you turned", note: pushes ? `Pushed ${where}.` : "Heads are switched off." }] : []),
        ...(pushes ? [{ name: "The control", note: lots.control === "lot" ? "Pushed as hard, in a direction drawn by lot." : "Pushed as hard, along another brick that is on in the text." }] : [])];
      pen.begin(sheets, shows("younger"), state.brick ?? [...state.gains.keys(), ...state.puts.keys()][0] ?? null);
      try {
        await link.stream("write", { key: readKey, session, text: readText, count: WRITTEN, seed: lots.seed, temperature: lots.temperature,
          columns: [null, ...(now ? [now] : []), ...(pushes ? [{ ...now, control: { kind: lots.control, seed: lots.seed } }] : [])] },
        (/** @type {import("./inside/writing.js").Part} */ part) => { if (mine === writes) pen.add(part, (feature) => names.name(feature).maximum); });
        if (mine !== writes) return;
        pen.end();
        tell({ written: pen.texts() });
      } catch (error) {
        if (mine !== writes) return;
        pen.end("It stopped writing.");
        fail(error);
      }
    }
    async function toPicture() {
      if (!reading) return;
      const style = getComputedStyle(section);
      const { shaded, colour, legend: foot } = shades();
      const at = place();
      const colours = /** @type {Record<string, string>} */ ({ colour: style.getPropertyValue(colour.slice(4, -1)), text: style.getPropertyValue("--sae-text"), ground: style.getPropertyValue("--sae-ground") });
      const lists = /** @type {[string, [string, number][]][]} */ ([[reading.edited ? "As it is" : "What comes next", top(reading, at)], ...(reading.edited ? [["With what you turned", top(reading.edited, at)]] : [])]);
      status.textContent = await wait(copyPicture(picture({ title: model.get("title"), tokens: shaded, place: at, lists, foot, colour: colours.colour, text: colours.text, ground: colours.ground }), section.id));
    }

    // What it opened with is turned for the text that it opened with; what the reader has turned stays.
    const untouched = () => JSON.stringify([[...state.gains], [...state.puts]]) === JSON.stringify([gains0, puts0]);
    field.addEventListener("input", () => change({ text: field.value, place: null, ...(untouched() ? { gains: new Map(), puts: new Map(), here: false } : {}) }));
    // Who begins to type does not wait for the page to be scrolled.
    field.addEventListener("focus", start);

    const linked = restored();
    if (linked) state = linked;
    guessedHead = state.head !== null || state.heads.length > 0;
    apply(state);
    list.show([], null);
    say("The GPT starts when you come near.");
    // Its data come when the reader does.
    const near = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      near.disconnect();
      start();
    }, { rootMargin: "800px" });
    near.observe(section);
    const comes = /** @type {any} */ (performance.getEntriesByType("navigation")[0]);
    if (linked && comes?.type === "navigate") section.scrollIntoView({ block: "start" });
    const arrive = () => {
      const next = restored();
      if (!next || JSON.stringify(Object.values(next).map(flat)) === JSON.stringify(Object.values(state).map(flat))) return;
      past.push(state);
      apply(next);
      section.scrollIntoView({ block: "start" });
    };
    addEventListener("hashchange", arrive);
    return () => {
      near.disconnect();
      removeEventListener("hashchange", arrive);
      document.removeEventListener("saelive-ask", announce);
      for (const name of ["text", "gains", "puts"]) model.off(`change:${name}`, heard);
      link.ask("forget", { session }).catch(() => {});
    };
  },
};
