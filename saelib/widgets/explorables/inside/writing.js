// The GPT writes: as it is, with what was turned, and the control, all from the same lots.

import { chooser, el, slider } from "../../common.js";
import { visible } from "../token_words.js";

/**
 * @typedef {{column: number, id?: number, piece?: string, on?: [number, number][], ended?: string}} Part as the engine sends it
 * @typedef {{name: string, note: string}} Column
 * @typedef {{temperature: number, seed: number, control: "lot"|"beside"}} Lots
 * @param {{controls: boolean, onWrite: (lots: Lots) => void, onStop: () => void, onTake: (text: string) => void}} options `controls`: whether anything can be turned
 */
export function writing({ controls, onWrite, onStop, onTake }) {
  /** @type {Lots} */
  const lots = { temperature: 0.8, seed: 1, control: "lot" };
  let running = false;
  const start = el("button", { type: "button", className: "sae-start", onclick: () => (running ? onStop() : onWrite({ ...lots })) }, "Let it write");
  const other = el("button", { type: "button", onclick() {
    lots.seed += 1;
    onWrite({ ...lots });
  } }, "Other lots");
  const heat = slider({ label: "Temperature", min: 0, max: 1.5, step: 0.1, value: lots.temperature,
    words: (value) => (value === 0 ? "0, always the likeliest" : value.toFixed(1)), onInput: (value) => { lots.temperature = value; } });
  const kind = chooser({ label: "The control pushes as hard", choices: ["in a direction drawn by lot", "along another brick"].map((name) => ({ name, face: name })), value: 0,
    onInput: (index) => { lots.control = index ? "beside" : "lot"; } });
  kind.node.hidden = true;
  const sheets = el("div", { className: "sae-sheets" });
  const state = el("p", { className: "sae-aside" });
  /** @type {{name: string, node: HTMLElement, page: HTMLElement, foot: HTMLElement, text: string, shaded: number|null}[]} */
  let columns = [];

  return {
    node: el("div", { className: "sae-writing" }, el("p", { className: "sae-label" }, "Let it write on"),
      el("div", { className: "sae-live-tools" }, start, other, heat.node), ...(controls ? [kind.node] : []), state, sheets),
    /** Whether there is anything to compare with. @param {boolean} turned */
    compare(turned) { kind.node.hidden = !turned; },
    /**
     * A new sheet for each column. @param {Column[]} names @param {boolean} keeps whether earlier sheets of other names stay, below @param {number|null} shaded the brick by which it is shaded
     */
    begin(names, keeps, shaded) {
      running = true;
      start.textContent = "Stop";
      state.textContent = `Lots no. ${lots.seed}.${names.length > 1 ? " The same token draws the same lot in each column, so they part where the GPT expects something else; after that, chance parts them, too." : ""}`;
      const before = keeps ? columns : [];
      columns = names.map(({ name, note }) => {
        const page = el("div", { className: "sae-text sae-page", role: "group", "aria-label": `What was written: ${name}`, tabIndex: 0, translate: false });
        const foot = el("p", { className: "sae-aside" });
        const take = el("button", { type: "button", onclick: () => onTake(column.text), "aria-label": `Go on from this text: ${name}` }, "Go on from here");
        const column = { name, page, foot, text: "", shaded, node: el("section", { "aria-label": name }, el("p", { className: "sae-sheet-name" }, name), el("p", { className: "sae-aside" }, note), page, el("div", { className: "sae-live-tools" }, take), foot) };
        return column;
      });
      const rest = before.filter(({ name }) => !columns.some((one) => one.name === name));
      const written = columns.length;
      columns = [...columns, ...rest];
      sheets.replaceChildren(...columns.map(({ node }) => node));
      sheets.style.setProperty("--columns", String(keeps ? 1 : written));
      sheets.classList.toggle("sae-stacked", keeps);
    },
    /** @param {Part} part @param {(feature: number) => number} maximum */
    add({ column: number, piece = "", on = [], ended }, maximum) {
      const column = columns[number];
      if (!column) return;
      if (ended !== undefined) {
        column.foot.textContent = { mark: "It ended the file here.", context: "Its context is full: it reads no more tokens at once.", count: "" }[ended] ?? "";
        return;
      }
      column.text += piece;
      if (!piece) return;
      const strength = on.find(([feature]) => feature === column.shaded)?.[1] ?? 0;
      const span = el("span", {}, visible(piece).replace(/⏎(?!\n)/g, "⏎\n"));
      if (strength) {
        span.className = "sae-lit";
        span.style.setProperty("--share", String(Math.min(1, strength / (maximum(/** @type {number} */ (column.shaded)) || strength))));
      }
      column.page.append(span);
      column.page.scrollTop = column.page.scrollHeight;
    },
    /** @param {string} [words] why it stopped, if not at its end */
    end(words) {
      running = false;
      start.textContent = "Let it write";
      // What comes first is read first.
      for (const { page } of columns) page.scrollTop = 0;
      if (words) state.textContent = words;
    },
    texts: () => columns.map(({ text }) => text),
    /** What stands there was written from another text, or under another push. */
    age() {
      if (columns.length && !running) state.textContent = "This was written before the last change above.";
    },
  };
}
