// The likeliest next tokens, as bars; beside them what they are under a change.

import { el } from "../../common.js";
import { inWords, spoken } from "../token_words.js";

/** A probability as it is said: "98%", "0.3%", "<0.1%". @param {number} share */
export function percent(share) {
  const hundred = 100 * share;
  if (hundred < 0.1) return "<0.1%";
  // 99.97% is not 100%.
  return hundred > 99.9 ? ">99.9%" : `${hundred < 9.95 || hundred >= 99.5 ? hundred.toFixed(1) : Math.round(hundred)}%`;
}

/** A list of ten rows, which stay. @param {string} title */
function list(title) {
  const rows = Array.from({ length: 10 }, () => {
    const word = el("code", { translate: false });
    const share = el("span", { className: "sae-number" });
    return { word, share, node: el("li", {}, el("span", { className: "sae-guess" }, word), share) };
  });
  const heading = el("p", { className: "sae-label" }, title);
  const node = el("div", {}, heading, el("ol", { className: "sae-guesses" }, ...rows.map((row) => row.node)));
  return {
    node, heading,
    /** @param {[string, number][]} pairs @param {Set<string>} known those that are marked as new where they are not in it */
    show(pairs, known) {
      rows.forEach(({ word, share, node: row }, i) => {
        const [token, value] = pairs[i] ?? ["", 0];
        row.hidden = !pairs[i];
        // A word after a blank is another token than the word alone.
      word.textContent = `${/^ \S/.test(token) ? "·" : ""}${inWords(token)}` || "␣";
        word.setAttribute("aria-label", spoken(token));
        share.textContent = percent(value);
        row.style.setProperty("--share", value.toFixed(4));
        row.classList.toggle("sae-new", known.size > 0 && !known.has(token));
      });
    },
  };
}

/**
 * @returns {{node: HTMLElement, show: (plain: [string, number][], edited: [string, number][]|null, names?: [string, string]) => void}}
 */
export function guesses() {
  const [plain, edited] = [list("What comes next"), list("Turned")];
  const node = el("div", { className: "sae-pair" }, plain.node, edited.node);
  return {
    node,
    show(first, second, [name, other] = second ? ["As it is", "Turned"] : ["What comes next", ""]) {
      plain.heading.textContent = name;
      plain.show(first, new Set());
      edited.node.hidden = !second;
      if (!second) return;
      edited.heading.textContent = other;
      edited.show(second, new Set(first.map(([token]) => token)));
    },
  };
}
