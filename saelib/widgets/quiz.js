// A quiz: questions that say at once why, answers that are kept in this browser, and a score.

import { el, uniqueId } from "./common.js";
import { SIGNS, markup } from "./quiz_markup.js";
import { multiple, single } from "./question_choice.js";

/**
 * What a quiz needs to know of a kind of question. An answer is any JSON value but null; `undefined` means none.
 * @typedef {{
 *   note?: string,                                        what to do, where the controls alone don't say it
 *   fits: (question: any, answer: any) => boolean,        whether a reader of this question could have answered this
 *   isRight: (question: any, answer: any) => boolean,
 *   feedback: (question: any, answer: any) => (Node|string)[][],   paragraphs
 *   controls: (question: any, onChange: () => void) => {
 *     node: HTMLElement, read: () => any, write: (answer: any) => void, mark: (answer: any) => void},
 * }} Kind
 */

/** Every kind of question that there is. @type {Record<string, Kind>} */
const KINDS = { single, multiple };

const same = (/** @type {any} */ a, /** @type {any} */ b) => JSON.stringify(a) === JSON.stringify(b);

/**
 * The answers kept in this browser, a key a question, so that two pages never write over each other's.
 * @param {() => void} onRefused called when the browser keeps nothing: storage is denied or full
 */
function browserStore(onRefused) {
  const key = (/** @type {string} */ id) => `saelib.quiz.${id}`;
  const attempt = (/** @type {() => any} */ action) => {
    try {
      return action();
    } catch {
      onRefused();
      return null;
    }
  };
  return {
    key,
    /** What is kept for a question, as the text that it is kept as, or null. */
    read: (/** @type {string} */ id) => attempt(() => localStorage.getItem(key(id))),
    write: (/** @type {string} */ id, /** @type {any} */ answer) => attempt(() =>
      answer === undefined ? localStorage.removeItem(key(id)) : localStorage.setItem(key(id), JSON.stringify({ answer }))),
  };
}

/** The answer in a kept text, or undefined if it is none to this question. @param {any} question @param {string|null} text */
function parseAnswer(question, text) {
  try {
    const { answer } = JSON.parse(text ?? "");
    return KINDS[question.kind].fits(question, answer) ? answer : undefined;
  } catch {
    return undefined;
  }
}

/**
 * One question. `onCheck` is told of each answer that the reader has checked.
 * @param {any} question
 * @param {number} number
 * @param {(answer: any) => void} onCheck
 */
function questionView(question, number, onCheck) {
  const kind = KINDS[question.kind];
  const controls = kind.controls(question, () => feedback(undefined));
  const sign = el("span", { className: "sae-quiz-sign", "aria-hidden": "true" });
  const status = el("div", { className: "sae-quiz-status", role: "status" });
  const reread = el("p", { className: "sae-quiz-reread", hidden: true },
    el("a", { href: question.anchor ?? "" }, "Read the passage again"));
  const verdict = el("div", { className: "sae-quiz-verdict" }, sign, el("div", {}, status, reread));
  const check = el("button", { type: "button", className: "sae-quiz-check" }, "Check");
  const actions = el("div", { className: "sae-quiz-actions" }, check);
  const hint = el("p", { className: "sae-quiz-hint", id: uniqueId("hint"), hidden: true }, ...markup(question.hint ?? ""));
  const note = el("p", { className: "sae-quiz-note", id: uniqueId("note"), hidden: !kind.note }, kind.note ?? "");
  const fieldset = el("fieldset", {}, el("legend", {}, ...markup(question.prompt)), note, controls.node, actions, hint, verdict);
  if (kind.note) fieldset.setAttribute("aria-describedby", note.id);

  if (question.hint) {
    const toggle = el("button", { type: "button", "aria-expanded": "false", "aria-controls": hint.id }, "Hint");
    toggle.addEventListener("click", () => {
      hint.hidden = !hint.hidden;
      toggle.setAttribute("aria-expanded", String(!hint.hidden));
    });
    actions.append(toggle);
  }

  /** Say why an answer is right or wrong; without one, say nothing. @param {any} answer */
  function feedback(answer) {
    controls.mark(answer);
    status.replaceChildren();
    const verdictOf = answer === undefined ? "" : kind.isRight(question, answer) ? "right" : "wrong";
    verdict.dataset.verdict = verdictOf;
    sign.textContent = SIGNS[verdictOf];
    // In a notebook, which has no such page to go to, the link would lead away from the reader's work.
    reread.hidden = !(verdictOf && question.anchor && document.documentElement.dataset.widgetHost !== undefined);
    if (!verdictOf) return;
    const [first, ...rest] = kind.feedback(question, answer);
    if (verdictOf === "right" && question.explanation) rest.push(markup(question.explanation));
    if (verdictOf === "wrong") rest.push(["Choose again: another try costs nothing."]);
    status.append(
      el("p", {}, el("strong", {}, verdictOf === "right" ? "Correct." : "Not quite."), " ", ...first),
      ...rest.map((paragraph) => el("p", {}, ...paragraph)));
  }

  check.addEventListener("click", () => {
    const answer = controls.read();
    feedback(answer);
    if (answer === undefined) status.append(el("p", {}, "Choose an answer first."));
    else onCheck(answer);
  });

  return {
    // The number stands beside the fieldset: the question's name is its prompt.
    node: el("div", { className: "sae-quiz-question" },
      el("span", { className: "sae-quiz-number", "aria-hidden": "true" }, String(number)), fieldset),
    show(/** @type {any} */ answer) {
      controls.write(answer);
      feedback(answer);
    },
    focus: () => fieldset.querySelector("input, button")?.focus(),
  };
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    /** @type {any[]} */
    const questions = model.get("questions");
    const refused = el("p", { className: "sae-quiz-note", hidden: true }, "Answers can't be kept in this browser.");
    const store = browserStore(() => { refused.hidden = false; });
    /** The answers that this view shows, by question id. @type {Record<string, any>} */
    const shown = {};
    const score = el("p", { className: "sae-quiz-score" });
    const again = el("button", { type: "button" }, "Start this quiz again");
    const heading = uniqueId("title");
    const views = questions.map((question, index) => questionView(question, index + 1, (answer) => {
      change({ ...model.get("answers"), [question.id]: answer });
    }));

    /** Show and keep the model's answers, whoever changed them. An answer that has not changed is left alone: the
        reader may be about to choose another. */
    function follow() {
      const answers = model.get("answers");
      let right = 0;
      questions.forEach((question, index) => {
        const kind = KINDS[question.kind];
        const answer = kind.fits(question, answers[question.id]) ? answers[question.id] : undefined;
        if (answer !== undefined && kind.isRight(question, answer)) right += 1;
        if (same(answer, shown[question.id])) return;
        shown[question.id] = answer;
        store.write(question.id, answer);
        views[index].show(answer);
      });
      score.textContent = `${right} of ${questions.length} right`;
    }

    /** @param {Record<string, any>} answers */
    function change(answers) {
      if (!same(answers, model.get("answers"))) {
        model.set("answers", answers);
        model.save_changes();
      }
      follow();
    }

    // What another tab has answered or reset. What is kept now is read anew, because an event tells of the past: two
    // tabs answering at once would otherwise go on correcting each other. A kept text that is no answer to this
    // question (it may be one in another edition of the book) is left as it is.
    function onStorage(/** @type {StorageEvent} */ event) {
      const answers = { ...model.get("answers") };
      for (const question of questions) {
        if (event.key !== null && event.key !== store.key(question.id)) continue;
        const text = store.read(question.id);
        const answer = parseAnswer(question, text);
        if (answer !== undefined) answers[question.id] = answer;
        else if (text === null) delete answers[question.id];
      }
      change(answers);
    }

    again.addEventListener("click", () => {
      change({});
      for (const [index, question] of questions.entries()) {
        store.write(question.id, undefined);
        views[index].show(undefined);
      }
      views[0].focus();
    });
    window.addEventListener("storage", onStorage);
    model.on("change:answers", follow);

    root.append(
      el("section", { className: "sae sae-quiz", "aria-labelledby": heading },
        el("p", { className: "sae-title", id: heading }, model.get("title")),
        ...views.map((view) => view.node),
        el("div", { className: "sae-quiz-end" }, score, again, refused)));

    // Answers that the model has already, set from Python, win over those kept here from an earlier visit.
    const kept = questions.map((question) => [question.id, parseAnswer(question, store.read(question.id))]);
    change({ ...Object.fromEntries(kept.filter(([, answer]) => answer !== undefined)), ...model.get("answers") });

    return () => {
      window.removeEventListener("storage", onStorage);
      model.off("change:answers", follow);
    };
  },
};
