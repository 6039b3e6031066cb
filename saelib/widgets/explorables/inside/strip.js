// A text as its tokens: each shaded, one of them framed.

import { el, uniqueId } from "../../common.js";
import { spoken, visible } from "../token_words.js";

/**
 * @typedef {{word: string, share: number, said: string}} Shaded a token: its text, from 0 to 1 how strongly it is shaded (below 0: not at all), and what is said of it
 * @param {{label: string, onChoose: (place: number) => void}} options
 * @returns {{node: HTMLElement, show: (tokens: Shaded[], place: number, colour: string) => void}}
 */
export function strip({ label, onChoose }) {
  const own = uniqueId("token");
  /** @type {HTMLElement[]} */
  const marks = [];
  let [framed, at] = [0, 0];
  const box = el("div", {
    className: "sae-text sae-strip", role: "listbox", tabIndex: 0, "aria-orientation": "horizontal", "aria-label": label, translate: false,
    onclick(/** @type {MouseEvent} */ event) {
      const place = marks.indexOf(/** @type {HTMLElement} */ (event.target));
      if (place >= 0) onChoose(place);
    },
    onkeydown(/** @type {KeyboardEvent} */ event) {
      /** @type {Record<string, number>} */
      const steps = { ArrowRight: framed + 1, ArrowLeft: framed - 1, ArrowDown: below(1), ArrowUp: below(-1), Home: 0, End: marks.length - 1 };
      if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      const to = Math.max(0, Math.min(marks.length - 1, steps[event.key]));
      if (to !== framed) onChoose(to);
    },
  });
  /** The token that stands under or over the framed one. @param {number} direction */
  function below(direction) {
    const { left, top, bottom } = marks[framed].getBoundingClientRect();
    const edge = direction > 0 ? bottom : top;
    for (let place = framed + direction; place >= 0 && place < marks.length; place += direction) {
      const other = marks[place].getBoundingClientRect();
      const there = direction > 0 ? other.top >= edge - 4 && other.right > left : other.bottom <= edge + 4 && other.left <= left;
      if (there) return place;
    }
    return framed;
  }
  return {
    node: box,
    show(tokens, place, colour) {
      while (marks.length > tokens.length) marks.pop()?.remove();
      while (marks.length < tokens.length) {
        const mark = el("span", { role: "option", id: `${own}-${marks.length}` });
        marks.push(mark);
        box.append(mark);
      }
      box.style.setProperty("--shade", colour);
      framed = place;
      tokens.forEach(({ word, share, said }, i) => {
        const mark = marks[i];
        const text = i === 0 && !word ? "▸" : visible(word, tokens[i + 1]?.word);
        if (mark.textContent !== text) mark.textContent = text;
        const className = `${share >= 0 ? "sae-lit" : ""} ${i === place ? "sae-focus" : ""}`.trim();
        if (mark.className !== className) mark.className = className;
        if (share >= 0) mark.style.setProperty("--share", share.toFixed(3));
        const words = `${i === 0 && !word ? "beginning of the file" : spoken(word)}${said && `: ${said}`}`;
        if (mark.title !== words) {
          mark.title = words;
          mark.setAttribute("aria-label", words);
        }
        mark.setAttribute("aria-selected", String(i === place));
      });
      if (marks.length) box.setAttribute("aria-activedescendant", marks[place].id);
      else box.removeAttribute("aria-activedescendant");
      if (at !== place) {
        at = place;
        // Within the box only: the page stays where it is.
        const { offsetTop = 0, offsetHeight = 0 } = marks[place] ?? {};
        if (offsetTop < box.scrollTop || offsetTop + offsetHeight > box.scrollTop + box.clientHeight) box.scrollTop = offsetTop - box.clientHeight / 2;
      }
    },
  };
}
