// The bricks that are on at the framed token, and those that the reader has turned.

import { brick, chooser, composes, el, slider, uniqueId } from "../../common.js";

/**
 * @typedef {{label: string|null, weak: boolean, f1: number|null, maximum: number, card: boolean}} Named what is known of a brick; `card`: whether its card can be read on this page
 * @typedef {{name: (feature: number) => Named, count: number}} Names the bricks, and how many there are
 */
const SEEN = 6, SEEN_NARROW = 3;

/** A brick in words: "#585, keyword try". @param {number} feature @param {Named} named */
export const brickInWords = (feature, { label, weak }) => `#${feature}, ${label === null ? "no label" : weak ? `weak: ${label}` : label}`;

/**
 * @param {{names: Names, turns: boolean, onShade: (feature: number|null) => void, onTurn: (feature: number) => void}} options
 */
export function board({ names, turns, onShade, onTurn }) {
  const heading = el("p", { className: "sae-label" });
  const rows = el("ul", { className: "sae-on-here" });
  let open = false;
  const first = matchMedia("(max-width: 600px)").matches ? SEEN_NARROW : SEEN;
  const more = el("button", { type: "button", className: "sae-fold", hidden: true, onclick() { open = !open; draw(); } });
  /** @type {{on: [number, number][], word: string, shaded: number|null, turned: Set<number>}} */
  let seen = { on: [], word: "", shaded: null, turned: new Set() };

  /** @param {[number, number]} entry */
  function row([feature, strength]) {
    const named = names.name(feature);
    const tile = brick({ number: feature, scale: named.maximum || strength });
    tile.set(strength);
    const { label, weak, f1 } = named;
    const shaded = seen.shaded === feature;
    return el("li", {}, tile.node,
      el("div", { className: "sae-on-words" },
        el("span", { className: label === null || weak ? "sae-muted" : "" }, label ?? "no label"),
        el("span", { className: "sae-aside" }, [...(f1 === null ? [] : [`${weak ? "weak, " : ""}F1 ${f1.toFixed(2)}`]), ...(named.maximum ? [`${Math.round((100 * strength) / named.maximum)}% of its strongest`] : [])].join(" · ")),
        ...(named.card ? [el("a", { href: `#feature=${feature}`, "aria-label": `card of brick ${feature}` }, "its card")] : [])),
      el("div", { className: "sae-on-buttons" },
        el("button", { type: "button", "aria-pressed": String(shaded), "aria-label": `Shade the text by brick ${feature}`, onclick: () => onShade(shaded ? null : feature) }, "Shade"),
        ...(turns ? [el("button", { type: "button", disabled: seen.turned.has(feature), "aria-label": `Turn brick ${feature}`, onclick: () => onTurn(feature) }, seen.turned.has(feature) ? "Turned" : "Turn")] : [])));
  }
  function draw() {
    const { on, word } = seen;
    heading.textContent = on.length ? `${on.length} ${on.length === 1 ? "brick is" : "bricks are"} on at ${word}` : `No brick is on at ${word}`;
    // Whoever has pressed a button in a row finds it again.
    const held = rows.contains(document.activeElement) ? /** @type {HTMLElement} */ (document.activeElement).getAttribute("aria-label") : null;
    rows.replaceChildren(...(open ? on : on.slice(0, first)).map(row));
    const again = held && [...rows.querySelectorAll("[aria-label]")].find((node) => node.getAttribute("aria-label") === held);
    if (again) /** @type {HTMLElement} */ (again).focus({ preventScroll: true });
    more.hidden = on.length <= first;
    more.textContent = open ? "Show fewer" : `${on.length - first} more`;
    more.setAttribute("aria-expanded", String(open));
  }
  return {
    node: el("div", { className: "sae-board" }, heading, rows, more),
    /** @param {typeof seen} news */
    show(news) {
      seen = news;
      draw();
    },
  };
}

/**
 * A field for a brick's number, with a button. @param {{names: Names, label: string, verb: string, onGive: (feature: number) => void}} options
 */
export function finder({ names, label, verb, onGive }) {
  const id = uniqueId("brick");
  const note = el("span", { className: "sae-aside", role: "status" });
  const field = el("input", { type: "number", id, min: 0, max: names.count - 1, step: 1, inputMode: "numeric",
    onkeydown(/** @type {KeyboardEvent} */ event) {
      if (event.key === "Enter" && !composes(event)) give();
    },
    oninput: () => { note.textContent = ""; } });
  function give() {
    const feature = Number(field.value);
    const there = field.value !== "" && Number.isInteger(feature) && feature >= 0 && feature < names.count;
    note.textContent = there ? "" : `Bricks have numbers from 0 to ${names.count - 1}.`;
    if (there) onGive(feature);
  }
  return { node: el("div", { className: "sae-field" }, el("label", { for: id }, label), field, el("button", { type: "button", onclick: give }, verb), note) };
}

/**
 * The turned bricks, each with its slider.
 * @typedef {{gains: Map<number, number>, puts: Map<number, number>, here: boolean}} Turned
 * @param {{names: Names, onChange: (kind: "gains"|"puts", feature: number, value: number|null) => void, onWhere: (here: boolean) => void, onTurn: (feature: number) => void}} options
 *   `onChange` with null takes the brick out of the list
 */
export function turned({ names, onChange, onWhere, onTurn }) {
  const rows = el("div", { className: "sae-turned" });
  /** @type {Map<string, {node: HTMLElement, set: (value: number) => void}>} */
  const sliders = new Map();
  const where = chooser({ label: "Turned", choices: ["at every token where it is on", "at the framed token only"].map((name) => ({ name, face: name })), value: 0, onInput: (index) => onWhere(index === 1) });
  const find = finder({ names, label: "Another brick", verb: "Turn it", onGive: onTurn });
  const empty = el("p", { className: "sae-muted" }, "No brick is turned. Press Turn beside one of those that are on, or give a number.");

  /** @param {"gains"|"puts"} kind @param {number} feature @param {number} value */
  function make(kind, feature, value) {
    const named = names.name(feature);
    const most = kind === "gains" ? 4 : Math.max(1, Math.ceil(1.5 * (named.maximum || 10)));
    const label = brickInWords(feature, named);
    const { node, set } = slider({
      label, min: 0, max: most, step: kind === "gains" ? 0.25 : 0.1, value,
      words: (number) => (number === 0 ? (kind === "gains" ? "off" : "not put in") : kind === "gains" ? (number === 1 ? "as it is" : `× ${number.toFixed(2)}`) : `put in at ${number.toFixed(1)}`),
      onInput: (number) => onChange(kind, feature, number),
    });
    const back = el("button", { type: "button", "aria-label": `Put brick ${feature} back`, onclick() {
      // The button goes with its row; who pressed it by a key goes on from the field below.
      const byKey = back.matches(":focus-visible");
      onChange(kind, feature, null);
      if (byKey) find.node.querySelector("input")?.focus({ preventScroll: true });
    } }, "Put back");
    return { node: el("div", { className: "sae-turned-row" }, node, back), set };
  }
  return {
    /** The names are others now. */
    forget() {
      sliders.forEach(({ node }) => node.remove());
      sliders.clear();
    },
    node: el("div", {}, el("p", { className: "sae-label" }, "What you turned"), empty, rows, where.node, find.node),
    /** @param {Turned} news */
    show({ gains, puts, here }) {
      const wanted = [.../** @type {const} */ (["gains", "puts"])].flatMap((kind) => [...(kind === "gains" ? gains : puts)].map(([feature, value]) => ({ kind, feature, value, key: `${kind} ${feature}` })));
      for (const [key, { node }] of sliders) {
        if (wanted.some((one) => one.key === key)) continue;
        node.remove();
        sliders.delete(key);
      }
      for (const { kind, feature, value, key } of wanted) {
        const there = sliders.get(key);
        if (there) there.set(value);
        else {
          const made = make(kind, feature, value);
          sliders.set(key, made);
          rows.append(made.node);
        }
      }
      empty.hidden = wanted.length > 0;
      where.node.hidden = !wanted.length;
      where.set(here ? 1 : 0);
    },
  };
}
