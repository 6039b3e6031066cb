// Putting texts in order, by dragging them or with two buttons each.

import { el, holdFinger, shuffled, uniqueId } from "../../common.js";
import { KINDS } from "../kind.js";
import { SIGNS, markup, mistake, plain, quoted } from "../markup.js";

const isRightOrder = (/** @type {any} */ question, /** @type {string[]} */ order) =>
  question.items.every((/** @type {string} */ text, /** @type {number} */ place) => order[place] === text);

/** The order that every reader finds: mixed, and never the right one. @param {any} question @returns {string[]} */
function mixedItems(question) {
  const [first, ...rest] = shuffled(question.items, question.id);
  return isRightOrder(question, [first, ...rest]) ? [...rest, first] : [first, ...rest];
}

/** Do something that moves these elements, and let them glide to where they then are. @param {HTMLElement[]} nodes @param {() => void} move */
function glide(nodes, move) {
  const before = nodes.map((node) => node.offsetTop);
  move();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  nodes.forEach((node, index) => node.animate(
    [{ translate: `0 ${before[index] - node.offsetTop}px` }, { translate: "0 0" }], { duration: 160, easing: "ease-out" }));
}

KINDS.ordering = {
  note: "Drag each to its place, or use the arrows. The first comes at the top.",
  texts: (question) => question.items,
  fits: (question, order) =>
    Array.isArray(order) && order.length === question.items.length
    && question.items.every((/** @type {string} */ text) => order.includes(text)),
  isRight: isRightOrder,
  feedback(question, order) {
    if (isRightOrder(question, order)) return [markup(question.feedback)];
    const placed = question.items.filter((/** @type {string} */ text, /** @type {number} */ place) => order[place] === text).length;
    const made = question.wrong.filter((/** @type {any} */ wrong) => order.indexOf(wrong.before) < order.indexOf(wrong.after));
    return [
      [`${placed || "None"} of the ${order.length} ${placed > 1 ? "are in their places" : "is in its place"}.`],
      ...made.map((/** @type {any} */ wrong) => mistake(wrong, quoted(wrong.before), " before ", quoted(wrong.after))),
      ...(made.length || !question.otherwise ? [] : [markup(question.otherwise)]),
    ];
  },
  controls(question, onChange) {
    // The order in which the rows are found is no answer: the reader has said nothing yet.
    let touched = false;
    const list = el("ol", { className: "sae-quiz-order", role: "list" });
    const rows = question.items.map((/** @type {string} */ text) => {
      const place = el("span", { id: uniqueId("place"), hidden: true });
      const numeral = el("span", {});
      const sign = el("span", { className: "sae-quiz-sign" });
      const button = (/** @type {-1|1} */ by, /** @type {string} */ word, /** @type {string} */ arrow) =>
        el("button", { type: "button", "aria-label": `Move ${plain(text)} ${word}`, "aria-describedby": place.id,
          onclick: (/** @type {any} */ event) => step(node, by, event.currentTarget) }, arrow);
      const [up, down] = [button(-1, "up", "↑"), button(1, "down", "↓")];
      const node = el("li", {},
        el("span", { className: "sae-quiz-handle", "aria-hidden": "true" }, sign, numeral),
        el("span", { className: "sae-quiz-item" }, ...markup(text)), up, down, place);
      holdFinger(node.children[0]);
      return { text, node, place, numeral, sign, up, down };
    });
    const order = () => Array.from(list.children, (node) => rows.find((/** @type {any} */ row) => row.node === node).text);

    /** Say of each row where it is. A button that can do nothing stays, so that the focus on it does. */
    function tellPlaces() {
      for (const row of rows) {
        const at = [...list.children].indexOf(row.node) + 1;
        row.numeral.textContent = String(at);
        row.place.textContent = `now ${at} of ${rows.length}`;
        row.up.setAttribute("aria-disabled", String(at === 1));
        row.down.setAttribute("aria-disabled", String(at === rows.length));
      }
    }

    function arrange(/** @type {string[]} */ texts) {
      list.append(...texts.map((text) => rows.find((/** @type {any} */ row) => row.text === text).node));
      tellPlaces();
    }

    function moved() {
      touched = true;
      tellPlaces();
      onChange();
    }

    /** @param {HTMLElement} node @param {-1|1} by @param {HTMLElement} button */
    function step(node, by, button) {
      const other = /** @type {HTMLElement|null} */ (by < 0 ? node.previousElementSibling : node.nextElementSibling);
      if (!other) return;
      glide([node, other], () => (by < 0 ? node.after(other) : node.before(other)));
      moved();
      // Focused anew, the button is read out with its new place: a second live region would talk over the status.
      button.blur();
      button.focus({ preventScroll: true });
      node.scrollIntoView({ block: "nearest" });
    }

    /** The row that is dragged, how far below its top it was taken, and the order at that moment.
        @type {{node: HTMLElement, grip: number, before: string[]}|undefined} */
    let drag;
    list.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      const target = /** @type {Element} */ (event.target);
      const node = /** @type {HTMLElement|null} */ (target.closest("li"));
      // A finger drags by the handle; elsewhere it scrolls the page.
      const held = event.pointerType === "touch" ? target.closest(".sae-quiz-handle") : !target.closest("button");
      if (!node || !held || event.button !== 0 || !event.isPrimary) return;
      drag = { node, grip: event.clientY - node.getBoundingClientRect().top, before: order() };
      node.classList.add("sae-quiz-dragged");
      list.setPointerCapture(event.pointerId);
    });
    list.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      if (!drag) return;
      const { node, grip } = drag;
      const y = event.clientY - list.getBoundingClientRect().top;
      const middle = (/** @type {HTMLElement} */ other) => other.offsetTop + other.offsetHeight / 2;
      for (;;) {
        // The others move around the dragged row: taken out of the document, it would lose the pointer.
        const above = /** @type {HTMLElement|null} */ (node.previousElementSibling);
        const below = /** @type {HTMLElement|null} */ (node.nextElementSibling);
        if (above && y < middle(above)) glide([above], () => node.after(above));
        else if (below && y > middle(below)) glide([below], () => node.before(below));
        else break;
      }
      tellPlaces();
      const top = Math.max(0, Math.min(y - grip, list.offsetHeight - node.offsetHeight));
      node.style.transform = `translateY(${top - node.offsetTop}px)`;
    });
    // However it ends: let go, or interrupted.
    list.addEventListener("lostpointercapture", () => {
      if (!drag) return;
      drag.node.classList.remove("sae-quiz-dragged");
      drag.node.style.transform = "";
      if (order().some((text, index) => text !== drag?.before[index])) moved();
      drag = undefined;
    });

    arrange(mixedItems(question));
    return {
      node: list,
      read: () => (touched ? order() : undefined),
      missing: () => "Put the items in order first.",
      write(texts) {
        touched = texts !== undefined;
        arrange(texts ?? mixedItems(question));
      },
      mark(texts) {
        // To a wrong order no row is marked: that would give the right places away one by one.
        const verdict = texts !== undefined && isRightOrder(question, texts) ? "right" : "";
        for (const row of rows) {
          row.node.dataset.verdict = verdict;
          row.sign.textContent = SIGNS[verdict];
        }
      },
    };
  },
};
