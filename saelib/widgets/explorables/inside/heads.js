// Where the heads look from the framed token, what the guess is without one of them, and what the stream would guess after each block.

import { el, uniqueId } from "../../common.js";
import { inWords, spoken } from "../token_words.js";
import { percent } from "./guesses.js";

/** @typedef {[number, number]} Head block and head, counted from 0 */
/** @typedef {{rows: Float32Array, lens: {top: Int32Array, share: Float32Array}}} Look as the engine answers */

/**
 * @param {{layers: number, heads: number, onChoose: (head: Head|null) => void, onOff: (head: Head) => void, onAllOn: () => void}} options
 */
export function heads({ layers, heads: count, onChoose, onOff, onAllOn }) {
  const group = uniqueId("head");
  /** @type {Head[]} */
  const all = Array.from({ length: layers * count }, (_, i) => [Math.floor(i / count), i % count]);
  const cells = all.map(([block, head], i) => {
    const face = el("span", { className: "sae-head-face" });
    const input = el("input", { type: "radio", name: group, onchange: () => onChoose(all[i]) });
    return { input, face, node: el("label", {}, input, face), name: `block ${block}, head ${head}` };
  });
  const grid = el("fieldset", { className: "sae-heads" }, el("legend", { className: "sae-label" }, "Where each head looks"),
    ...Array.from({ length: layers }, (_, block) => el("div", { className: "sae-heads-row" },
      el("span", { className: "sae-aside" }, `block ${block}`), ...cells.slice(block * count, (block + 1) * count).map(({ node }) => node))));
  grid.style.setProperty("--heads", String(count));
  const told = el("p", { className: "sae-head-told" });
  const off = el("button", { type: "button", onclick: () => { if (chosen) onOff(chosen); } });
  const allOn = el("button", { type: "button", onclick: onAllOn }, "All heads on");
  const lens = el("table", { className: "sae-lens" });
  /** @type {Head|null} */
  let chosen = null;

  return {
    node: el("div", { className: "sae-looks" }, grid, told, el("div", { className: "sae-live-tools" }, off, allOn),
      el("p", { className: "sae-label" }, "What the stream would guess, if it ended here"), lens),
    /**
     * @param {{look: Look, words: string[], place: number, tokens: string[], chosen: Head|null, off: Head[], without: Float32Array|null, guess: [string, number]}} news
     *   words: the text's tokens; tokens: all that there are; without: for each head the probability of the guess when it is off; guess: the likeliest token, with all on
     */
    show({ look, words, place, tokens, chosen: now, off: silent, without, guess }) {
      chosen = now;
      const isOff = (/** @type {number} */ i) => silent.some(([block, head]) => block === all[i][0] && head === all[i][1]);
      /** @type {string[]} */
      const saidOf = [];
      cells.forEach(({ input, face, name }, i) => {
        const row = look.rows.subarray(i * (place + 1), (i + 1) * (place + 1));
        let most = 0;
        row.forEach((share, at) => { if (share > row[most]) most = at; });
        const word = most === 0 ? "▸" : inWords(words[most]) || "␣";
        const here = most === place ? "itself" : most === 0 ? "the beginning" : spoken(words[most]);
        const lost = without ? percent(without[i]) : "";
        face.replaceChildren(el("code", { translate: false }, word), el("span", { className: "sae-number" }, isOff(i) ? "off" : `${Math.round(100 * row[most])}%`),
          ...(without ? [el("span", { className: "sae-aside" }, `without: ${lost}`)] : []));
        face.style.setProperty("--share", String(isOff(i) ? 0 : row[most]));
        face.classList.toggle("sae-head-off", isOff(i));
        saidOf[i] = isOff(i) ? `${name} is switched off` : `${name}: of its attention ${Math.round(100 * row[most])}% goes to ${here}${without ? `; without this head ${spoken(guess[0])} would have ${lost}` : ""}`;
        input.setAttribute("aria-label", saidOf[i]);
        input.checked = now !== null && now[0] === all[i][0] && now[1] === all[i][1];
      });
      const index = now ? now[0] * count + now[1] : -1;
      told.textContent = index < 0 ? "Choose a head: the text is shaded by where it looks." : `${saidOf[index][0].toUpperCase()}${saidOf[index].slice(1)}. With all heads on it has ${percent(guess[1])}.`;
      off.textContent = index < 0 ? "Switch it off" : isOff(index) ? `Switch block ${now?.[0]}, head ${now?.[1]} on again` : `Switch block ${now?.[0]}, head ${now?.[1]} off`;
      off.setAttribute("aria-disabled", String(index < 0));
      allOn.setAttribute("aria-disabled", String(!silent.length));
      const each = look.lens.top.length / (layers + 1);
      lens.replaceChildren(el("tbody", {}, ...Array.from({ length: layers + 1 }, (_, stage) => el("tr", {},
        el("th", { scope: "row" }, stage === 0 ? "as it comes in" : stage === layers ? `after block ${stage - 1}, the end` : `after block ${stage - 1}`),
        ...Array.from({ length: Math.min(3, each) }, (_, rank) => el("td", {},
          el("code", { translate: false }, inWords(tokens[look.lens.top[stage * each + rank]]) || "␣"), " ",
          el("span", { className: "sae-number" }, percent(look.lens.share[stage * each + rank]))))))));
    },
  };
}
