// Choosing one option, or any of several.

import { el, uniqueId } from "../../common.js";
import { KINDS } from "../kind.js";
import { SIGNS, markup, mistake, quoted } from "../markup.js";

/** @typedef {{text: string, right?: boolean, feedback: string, misconception?: string}} Option */

/**
 * Both kinds of choice: they differ in their inputs and in how the chosen texts are written as an answer.
 * @param {{type: "radio"|"checkbox", note?: string, toTexts: (answer: any) => any[], fromTexts: (texts: string[]) => any}} how
 * @returns {import("../kind.js").Kind}
 */
function choice({ type, note, toTexts, fromTexts }) {
  /** @param {any} question @param {any} answer @returns {{chosen: Option[], missing: number}} */
  const judge = (question, answer) => {
    const texts = toTexts(answer);
    /** @type {Option[]} */
    const options = question.options;
    return {
      chosen: options.filter((option) => texts.includes(option.text)),
      missing: options.filter((option) => option.right && !texts.includes(option.text)).length,
    };
  };
  const isRight = (/** @type {any} */ question, /** @type {any} */ answer) => {
    const { chosen, missing } = judge(question, answer);
    return missing === 0 && chosen.every((option) => option.right);
  };

  return {
    note,
    texts: (question) => question.options.map((/** @type {Option} */ option) => option.text),
    fits(question, answer) {
      const texts = toTexts(answer);
      return texts.length > 0 && texts.length === judge(question, answer).chosen.length;
    },
    isRight,
    feedback(question, answer) {
      const { chosen, missing } = judge(question, answer);
      const several = type === "checkbox";
      // To a wrong answer, only what is wrong in it is said: more would give the right one away.
      const spoken = isRight(question, answer) ? chosen : chosen.filter((option) => !option.right);
      const paragraphs = spoken.map(({ text, misconception, feedback }) => {
        // Where several can be chosen, each piece of feedback says which of them it speaks of.
        const subject = several ? [quoted(text)] : [];
        if (misconception) return mistake({ misconception, feedback }, ...subject);
        return [...subject, ...(several ? [" – "] : []), ...markup(feedback)];
      });
      if (several && missing)
        paragraphs.unshift([missing === 1 ? "1 right answer is missing." : `${missing} right answers are missing.`]);
      return paragraphs;
    },
    controls(question, onChange) {
      const name = uniqueId("choice");
      /** @type {{option: Option, input: HTMLInputElement, sign: HTMLElement, node: HTMLElement}[]} */
      const rows = question.options.map((/** @type {Option} */ option) => {
        const input = el("input", { type, name, value: option.text });
        input.addEventListener("change", onChange);
        // The sign stands outside the label: the input's name stays the option's text.
        const sign = el("span", { className: "sae-quiz-sign", "aria-hidden": "true" });
        const node = el("div", { className: "sae-quiz-option" },
          el("label", {}, input, el("span", {}, ...markup(option.text))), sign);
        return { option, input, sign, node };
      });
      return {
        node: el("div", { className: "sae-quiz-options" }, ...rows.map((row) => row.node)),
        read() {
          const texts = rows.filter((row) => row.input.checked).map((row) => row.option.text);
          return texts.length ? fromTexts(texts) : undefined;
        },
        write(answer) {
          for (const row of rows) row.input.checked = toTexts(answer).includes(row.option.text);
        },
        mark(answer) {
          for (const row of rows) {
            const verdict = !toTexts(answer).includes(row.option.text) ? "" : row.option.right ? "right" : "wrong";
            row.node.dataset.verdict = verdict;
            row.sign.textContent = SIGNS[verdict];
          }
        },
      };
    },
  };
}

KINDS.single = choice({
  type: "radio",
  toTexts: (answer) => (typeof answer === "string" ? [answer] : []),
  fromTexts: (texts) => texts[0],
});

KINDS.multiple = choice({
  type: "checkbox",
  note: "Choose every answer that is right.",
  toTexts: (answer) => (Array.isArray(answer) ? answer : []),
  fromTexts: (texts) => texts,
});
