// Finding each text's partner.

import { el, shuffled, uniqueId } from "../../common.js";
import { KINDS } from "../kind.js";
import { SIGNS, markup, mistake, plain, quoted } from "../markup.js";

/** @typedef {{left: string, right: string}} Pair */

const SHORT = 22; // letters that a list's box always has room for

/** What an answer gives to a left text, also to one with a name that every object has. @param {any} answer @param {string} left */
const partnerIn = (answer, left) => (Object.hasOwn(answer, left) ? answer[left] : undefined);

const rightPairs = (/** @type {any} */ question, /** @type {any} */ answer) =>
  question.pairs.filter((/** @type {Pair} */ { left, right }) => partnerIn(answer, left) === right).length;

const isRightMatching = (/** @type {any} */ question, /** @type {any} */ answer) => rightPairs(question, answer) === question.pairs.length;

const wrongPairs = (/** @type {any} */ question, /** @type {any} */ answer) =>
  question.pairs.flatMap((/** @type {Pair} */ pair) => question.wrong.filter((/** @type {Pair} */ wrong) =>
    wrong.left === pair.left && partnerIn(answer, pair.left) === wrong.right));

/** @param {any} question @returns {string[]} */
const offeredRights = (question) => [...question.pairs.map((/** @type {Pair} */ pair) => pair.right), ...(question.distractors ?? [])];

KINDS.matching = {
  note: "Choose a partner for each.",
  texts: (question) => [...question.pairs.map((/** @type {Pair} */ { left }) => left), ...offeredRights(question)],
  fits: (question, answer) =>
    typeof answer === "object" && answer !== null && !Array.isArray(answer)
    && Object.keys(answer).length === question.pairs.length
    && question.pairs.every((/** @type {Pair} */ { left }) => offeredRights(question).includes(partnerIn(answer, left))),
  isRight: isRightMatching,
  feedback(question, answer) {
    if (isRightMatching(question, answer)) return [markup(question.feedback)];
    const right = rightPairs(question, answer);
    const made = wrongPairs(question, answer);
    return [
      [`${right || "None"} of the ${question.pairs.length} pairs ${right > 1 ? "are" : "is"} right.`],
      ...made.map((/** @type {any} */ wrong) => mistake(wrong, quoted(wrong.left), " with ", quoted(wrong.right))),
      ...(made.length || !question.otherwise ? [] : [markup(question.otherwise)]),
    ];
  },
  controls(question, onChange) {
    const rights = shuffled(offeredRights(question), question.id);
    const rows = question.pairs.map((/** @type {Pair} */ { left }) => {
      const select = el("select", { id: uniqueId("partner") },
        el("option", { value: "" }, "choose…"), ...rights.map((right) => el("option", { value: right }, plain(right))));
      // A list's box shows a line, of which a narrow screen cuts the end off: there the whole stands under it.
      const whole = el("span", { className: "sae-quiz-whole", "aria-hidden": "true" });
      const tellWhole = () => { whole.textContent = select.value.length > SHORT ? plain(select.value) : ""; };
      select.addEventListener("change", () => {
        tellWhole();
        onChange();
      });
      const sign = el("span", { className: "sae-quiz-sign", "aria-hidden": "true" });
      const node = el("div", { className: "sae-quiz-pair" }, el("label", { for: select.id }, el("span", {}, ...markup(left))), sign, select, whole);
      const choose = (/** @type {string|undefined} */ right) => {
        select.value = right ?? "";
        tellWhole();
      };
      return { left, select, choose, sign, node };
    });
    return {
      node: el("div", { className: "sae-quiz-pairs" }, ...rows.map((/** @type {any} */ row) => row.node)),
      read() {
        /** @type {[string, string][]} */
        const chosen = rows.map((/** @type {any} */ row) => [row.left, row.select.value]);
        return chosen.every(([, right]) => right) ? Object.fromEntries(chosen) : undefined;
      },
      missing: () => "Choose a partner for every item first.",
      draft: () => rows.map((/** @type {any} */ row) => row.select.value),
      redraft(draft) {
        if (!Array.isArray(draft)) return false;
        // What is no longer offered is not chosen.
        for (const [index, row] of rows.entries()) row.choose(rights.includes(draft[index]) ? draft[index] : "");
        return true;
      },
      write(answer) {
        for (const row of rows) row.choose(answer === undefined ? "" : partnerIn(answer, row.left));
      },
      mark(answer) {
        // Of a wrong answer only those rows are marked that the feedback speaks of: more would give the others away.
        const made = answer === undefined ? [] : wrongPairs(question, answer);
        const right = answer !== undefined && isRightMatching(question, answer);
        for (const row of rows) {
          const verdict = right ? "right" : made.some((/** @type {Pair} */ { left }) => left === row.left) ? "wrong" : "";
          row.node.dataset.verdict = verdict;
          row.sign.textContent = SIGNS[verdict];
        }
      },
    };
  },
};
