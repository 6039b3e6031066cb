// Questions in a page: one question with its feedback, the answers that this browser keeps, and what keeps several
// questions in step with both.

import { el, uniqueId } from "./common.js";
import { SIGNS, learnFormulas, markup } from "./quiz_markup.js";
import { multiple, single } from "./question_choice.js";
import { matching } from "./question_matching.js";
import { number } from "./question_number.js";
import { ordering } from "./question_ordering.js";
import { predict } from "./question_predict.js";
import { ownWords } from "./question_words.js";

/**
 * What must be known of a kind of question. An answer is any JSON value but null; `undefined` means none.
 * @typedef {{
 *   note?: string,  // what to do, where the controls alone don't say it
 *   retry?: string,  // what to do after a wrong answer, where it is not thinking again
 *   fits: (question: any, answer: any) => boolean,  // whether a reader of this question could have answered this
 *   isRight: (question: any, answer: any) => boolean,
 *   feedback: (question: any, answer: any) => (Node|string)[][],  // paragraphs
 *   controls: (question: any, onChange: () => void, onCheck: () => void) => {  // `onCheck` is as good as the button
 *     node: HTMLElement, after?: HTMLElement,  // `after` stands under the feedback
 *     read: () => any, write: (answer: any) => void, mark: (answer: any) => void,
 *     missing?: () => string},  // what to do first, where there is nothing to read yet
 * }} Kind
 */

/** Every kind of question that there is. @type {Record<string, Kind>} */
export const KINDS = { single, multiple, number, ordering, matching, predict, "own-words": ownWords };

const same = (/** @type {any} */ a, /** @type {any} */ b) => JSON.stringify(a) === JSON.stringify(b);

/** The event of the window that tells the rest of this tab which key has changed; other tabs get "storage". */
const KEPT = "saelib-kept";
const tell = (/** @type {string|null} */ key) => window.dispatchEvent(new CustomEvent(KEPT, { detail: key }));

/**
 * Calls `listener` with the key of each answer that is kept or forgotten, here or in another tab; with null where it may
 * be any of them.
 * @param {(key: string|null) => void} listener
 * @returns {() => void} what ends it
 */
export function whenKept(listener) {
  const ending = new AbortController();
  const options = { signal: ending.signal };
  window.addEventListener(KEPT, (/** @type {any} */ event) => listener(event.detail), options);
  window.addEventListener("storage", (event) => listener(event.key), options);
  // A page that comes back by the browser's Back button was told nothing while it was away.
  window.addEventListener("pageshow", (event) => { if (event.persisted) listener(null); }, options);
  return () => ending.abort();
}

/**
 * The answers kept in this browser, a key a question, so that two pages never write over each other's. What is kept is
 * `{"answer": ..., "right": true or false}`: the sidebar counts what is right without knowing the questions.
 * @param {() => void} onRefused called when the browser keeps nothing: storage is denied or full
 */
export function browserStore(onRefused) {
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
    /** Keep an answer; `undefined` forgets the one that is kept. @param {any} question @param {any} answer */
    write(question, answer) {
      const text = answer === undefined ? null
        : JSON.stringify({ answer, right: KINDS[question.kind].isRight(question, answer) });
      attempt(() => {
        if (localStorage.getItem(key(question.id)) === text) return;
        if (text === null) localStorage.removeItem(key(question.id));
        else localStorage.setItem(key(question.id), text);
        tell(key(question.id));
      });
    },
    /** Keep all of these texts, or none if one can't be kept. @param {[id: string, text: string][]} texts */
    restore(texts) {
      /** @type {[string, string|null][]} */
      const before = [];
      try {
        for (const [id, text] of texts) {
          before.push([key(id), localStorage.getItem(key(id))]);
          localStorage.setItem(key(id), text);
        }
      } catch {
        // Backwards: on this way storage holds at each step what it has held before, so it can't be too full.
        attempt(() => before.reverse().forEach(([name, text]) =>
          (text === null ? localStorage.removeItem(name) : localStorage.setItem(name, text))));
        return false;
      }
      tell(null);
      return true;
    },
  };
}

/** The answer in a kept text, or undefined if it is none to this question. @param {any} question @param {string|null} text */
export function parseAnswer(question, text) {
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
export function questionView(question, number, onCheck) {
  const kind = KINDS[question.kind];
  learnFormulas(question.math);
  const controls = kind.controls(question, () => feedback(undefined), () => check.click());
  const sign = el("span", { className: "sae-quiz-sign", "aria-hidden": "true" });
  const status = el("div", { className: "sae-quiz-status", role: "status" });
  const reread = el("p", { className: "sae-quiz-reread", hidden: true },
    el("a", { href: question.anchor ?? "" }, "Read the passage again"));
  const verdict = el("div", { className: "sae-quiz-verdict" }, sign, el("div", {}, status, reread));
  const check = el("button", { type: "button", className: "sae-quiz-check" }, "Check");
  const actions = el("div", { className: "sae-quiz-actions" }, check);
  const hint = el("p", { className: "sae-quiz-hint", id: uniqueId("hint"), hidden: true }, ...markup(question.hint ?? ""));
  const note = el("p", { className: "sae-quiz-note", id: uniqueId("note"), hidden: !kind.note }, kind.note ?? "");
  const fieldset = el("fieldset", {}, el("legend", {}, ...markup(question.prompt)), note,
    ...(question.picture ? [el("img", { className: "sae-quiz-picture", src: question.picture.source, alt: question.picture.alt })] : []),
    controls.node, actions, hint, verdict, ...(controls.after ? [controls.after] : []));
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
    if (verdictOf === "wrong") rest.push([kind.retry ?? "Think again: another try costs nothing."]);
    status.append(
      el("p", {}, el("strong", {}, verdictOf === "right" ? "Correct." : "Not quite."), " ", ...first),
      ...rest.map((paragraph) => el("p", {}, ...paragraph)));
  }

  controls.node.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
    // As in any form; but not while letters are being put together.
    if (event.key === "Enter" && !event.isComposing && /** @type {Element} */ (event.target).matches("input")) check.click();
  });
  check.addEventListener("click", () => {
    const answer = controls.read();
    feedback(answer);
    if (answer === undefined) status.append(el("p", {}, controls.missing?.() ?? "Choose an answer first."));
    else onCheck(answer);
  });

  const place = el("span", { className: "sae-quiz-number", "aria-hidden": "true" }, String(number));
  return {
    // The number stands beside the fieldset: the question's name is its prompt.
    node: el("div", { className: "sae-quiz-question", "data-question": question.id }, place, fieldset),
    renumber(/** @type {number} */ next) { place.textContent = String(next); },
    show(/** @type {any} */ answer) {
      controls.write(answer);
      feedback(answer);
    },
    focus: () => fieldset.querySelector("input, select, textarea, button")?.focus(),
  };
}

/**
 * Questions in step with the model's `answers` and with what this browser keeps, whoever changes them: the reader,
 * Python, another widget of the page, another tab.
 * @param {any} model
 * @param {any[]} questions
 * @param {(isRight: (question: any) => boolean|undefined) => void} onChange called after each change, and once at the
 *   start; `isRight` is undefined of a question that is not answered
 */
export function askAll(model, questions, onChange) {
  const refused = el("p", { className: "sae-quiz-note", hidden: true }, "Answers can't be kept in this browser.");
  const store = browserStore(() => { refused.hidden = false; });
  /** The answers that are shown, by question id. @type {Record<string, any>} */
  const shown = {};
  const views = questions.map((question, index) => questionView(question, index + 1, (answer) => {
    change({ ...model.get("answers"), [question.id]: answer });
  }));

  const isRight = (/** @type {any} */ question) =>
    shown[question.id] === undefined ? undefined : KINDS[question.kind].isRight(question, shown[question.id]);

  /** Show and keep the model's answers. One that has not changed is left alone: the reader may be about to choose
      another. */
  function follow() {
    const answers = model.get("answers");
    questions.forEach((question, index) => {
      const answer = KINDS[question.kind].fits(question, answers[question.id]) ? answers[question.id] : undefined;
      if (same(answer, shown[question.id])) return;
      shown[question.id] = answer;
      store.write(question, answer);
      views[index].show(answer);
    });
    onChange(isRight);
  }

  /** @param {Record<string, any>} answers */
  function change(answers) {
    if (!same(answers, model.get("answers"))) {
      model.set("answers", answers);
      model.save_changes();
    }
    follow();
  }

  // What another widget or another tab has answered or reset. What is kept now is read anew, because an event tells of
  // the past: two tabs answering at once would otherwise go on correcting each other. A kept text that is no answer to
  // this question (it may be one in another edition of the book) is left as it is.
  const stopListening = whenKept((key) => {
    const answers = { ...model.get("answers") };
    for (const question of questions) {
      if (key !== null && key !== store.key(question.id)) continue;
      const text = store.read(question.id);
      const answer = parseAnswer(question, text);
      if (answer !== undefined) answers[question.id] = answer;
      else if (text === null) delete answers[question.id];
    }
    change(answers);
  });
  model.on("change:answers", follow);

  // Answers that the model has already, set from Python, win over those kept here from an earlier visit.
  const kept = questions.map((question) => [question.id, parseAnswer(question, store.read(question.id))]);
  change({ ...Object.fromEntries(kept.filter(([, answer]) => answer !== undefined)), ...model.get("answers") });

  return {
    views,
    refused,
    store,
    /** Forget all answers, also those that were chosen and not checked. */
    forget() {
      change({});
      for (const [index, question] of questions.entries()) {
        store.write(question, undefined);
        views[index].show(undefined);
      }
    },
    stop() {
      stopListening();
      model.off("change:answers", follow);
    },
  };
}
