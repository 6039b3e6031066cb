// Writing a number.

import { el } from "../../common.js";
import { KINDS } from "../kind.js";
import { SIGNS, markup, mistake } from "../markup.js";

// The largest that is an answer, here and in fields.py.
const LARGEST_NUMBER = 1e15;
const NUMERAL = /^[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?$/i;
// "1,000" is a thousand to one reader and one to another, and so is "1.000".
const TWO_READINGS = /^[+-]?[1-9]\d{0,2}[.,]\d{3}$/;

/** A number as it can be read in one way only. @param {number} value */
const unmistakable = (value) => (TWO_READINGS.test(String(value)) ? `${value}0` : String(value));

/** Digits of any script (full-width, Arabic, Devanagari, ...) as 0 to 9: in each, ten of them stand in a row. @param {string} text */
const inOurDigits = (text) => text.normalize("NFKC").replace(/\p{Nd}/gu, (digit) => {
  const isDigit = (/** @type {number} */ code) => /\p{Nd}/u.test(String.fromCodePoint(code));
  const code = digit.codePointAt(0) ?? 0;
  let value = 0;
  while (value < 9 && isDigit(code - value - 1)) value++;
  return String(value);
}).replace("٫", ".").replace("٬", ",").replace("−", "-");

/**
 * The number that a reader wrote, with a point or a comma, a printed minus sign, or the unit after it; or, in words, why
 * it is none.
 * @param {string} written
 * @param {string} unit
 * @returns {number|string}
 */
function numberIn(written, unit) {
  let text = inOurDigits(written).trim();
  if (!text) return "Write a number first.";
  const end = unit.normalize("NFKC");
  if (end && text.endsWith(end)) text = text.slice(0, -end.length).trim();
  if (TWO_READINGS.test(text))
    return `“${text}” can be read in two ways: write ${text.replace(/[.,]/, "")} or ${unmistakable(Number(text.replace(",", ".")))}.`;
  const value = NUMERAL.test(text) ? Number(text.replace(",", ".")) : NaN;
  if (Math.abs(value) <= LARGEST_NUMBER) return value + 0; // -0 is kept as 0
  return `“${written.trim()}” can't be read as a number: write one in digits, such as 12 or -0.5.`;
}

/** As in number.py: the last term forgives rounding. @param {number} tolerance @param {number} value @param {number} given */
const withinTolerance = (tolerance, value, given) =>
  Math.abs(given - value) <= tolerance + 1e-12 * Math.max(Math.abs(value), Math.abs(given));

const isRightNumber = (/** @type {any} */ question, /** @type {any} */ given) => withinTolerance(question.tolerance, question.answer, given);

KINDS.number = {
  fits: (_, given) => typeof given === "number" && Math.abs(given) <= LARGEST_NUMBER,
  isRight: isRightNumber,
  feedback(question, given) {
    if (isRightNumber(question, given)) return [markup(question.feedback)];
    const typical = question.wrong.find((/** @type {any} */ wrong) => withinTolerance(wrong.tolerance ?? 0, wrong.value, given));
    return [typical ? mistake(typical) : markup(question.otherwise)];
  },
  controls(question, onChange) {
    const unit = question.unit ?? "";
    // The pad of digits that a phone shows for decimals may have no minus sign.
    const signed = [question.answer, ...question.wrong.map((/** @type {any} */ wrong) => wrong.value)].some((value) => value < 0);
    const input = el("input", { type: "text", inputMode: signed ? "text" : "decimal", autocomplete: "off", spellcheck: false });
    const sign = el("span", { className: "sae-quiz-sign", "aria-hidden": "true" });
    const node = el("div", { className: "sae-quiz-entry" },
      el("label", {}, el("span", {}, "Your answer"), input, ...(unit ? [el("span", {}, ...markup(unit))] : [])), sign);
    const refuse = (/** @type {boolean} */ refused) =>
      (refused ? input.setAttribute("aria-invalid", "true") : input.removeAttribute("aria-invalid"));
    input.addEventListener("input", () => {
      refuse(false);
      onChange();
    });
    return {
      node,
      read() {
        const value = numberIn(input.value, unit);
        refuse(typeof value === "string");
        return typeof value === "string" ? undefined : value;
      },
      missing: () => String(numberIn(input.value, unit)),
      draft: () => input.value,
      redraft(draft) {
        if (typeof draft !== "string") return false;
        input.value = draft;
        return true;
      },
      write(given) {
        input.value = given === undefined ? "" : unmistakable(given);
        refuse(false);
      },
      mark(given) {
        const verdict = given === undefined ? "" : isRightNumber(question, given) ? "right" : "wrong";
        node.dataset.verdict = verdict;
        sign.textContent = SIGNS[verdict];
      },
    };
  },
};
