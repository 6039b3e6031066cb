// Questions in a page: one question with its feedback, the answers that this browser keeps, and what keeps several
// questions in step with both.

import { composes, el, uniqueId } from "../common.js";
import { browserStore, draftOf, whenKept } from "./kept.js";
import { KINDS } from "./kind.js";
import { mended } from "./mended.js";
import { SIGNS, learnFormulas, markup } from "./markup.js";

const same = (/** @type {any} */ a, /** @type {any} */ b) => JSON.stringify(a) === JSON.stringify(b);

/** What an answer of any time is to the question as it is now asked, or undefined if it is none. @param {any} question @param {any} answer */
export function answerNow(question, answer) {
  const { fits, texts } = KINDS[question.kind];
  const now = fits(question, answer) || !texts ? answer : mended(answer, texts(question));
  return fits(question, now) ? now : undefined;
}

/** The answer in a kept text, or undefined if it is none to this question. @param {any} question @param {string|null} text */
export function parseAnswer(question, text) {
  try {
    return answerNow(question, JSON.parse(text ?? "").answer);
  } catch {
    return undefined;
  }
}

/** An answer as it is kept. @param {any} question @param {any} answer @param {boolean} [right] where only the chapter can tell */
export const keptText = (question, answer, right = KINDS[question.kind].isRight(question, answer)) => JSON.stringify({ answer, right });

/**
 * One question. `onCheck` is told of each answer that the reader has checked.
 * @param {any} question
 * @param {number} number
 * @param {ReturnType<typeof draftOf>} draft
 * @param {(answer: any) => void} onCheck
 */
function questionView(question, number, draft, onCheck) {
  const kind = KINDS[question.kind];
  learnFormulas(question.math);
  /** Whether the controls hold what the reader has not checked. */
  let isDraft = false;
  const controls = kind.controls(question, () => {
    isDraft = true;
    draft.write((controls.draft ?? controls.read)());
    feedback(undefined);
  }, () => check.click());
  const settle = () => {
    isDraft = false;
    draft.write(undefined);
  };
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
    // As in any form.
    if (event.key === "Enter" && !composes(event) && /** @type {Element} */ (event.target).matches("input")) check.click();
  });
  check.addEventListener("click", () => {
    const answer = controls.read();
    feedback(answer);
    if (answer === undefined) return status.append(el("p", {}, controls.missing?.() ?? "Choose an answer first."));
    settle();
    onCheck(answer);
  });

  const show = (/** @type {any} */ answer) => {
    controls.write(answer);
    feedback(answer);
  };
  const place = el("span", { className: "sae-quiz-number", "aria-hidden": "true" }, String(number));
  return {
    // The number stands beside the fieldset: the question's name is its prompt.
    node: el("div", { className: "sae-quiz-question", "data-question": question.id }, place, fieldset),
    renumber(/** @type {number} */ next) { place.textContent = String(next); },
    isDraft: () => isDraft,
    /** What stood there unchecked when the page was left. */
    redraft() {
      const left = draft.read();
      if (controls.redraft) isDraft = controls.redraft(left);
      else if (kind.fits(question, left)) {
        controls.write(left);
        isDraft = true;
      }
      if (!isDraft) return;
      feedback(undefined);
    },
    show,
    stop: () => controls.stop?.(),
    forget() {
      settle();
      show(undefined);
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
  const store = browserStore(model, () => { refused.hidden = false; });
  /** The answers that are shown, by question id. @type {Record<string, any>} */
  const shown = {};
  const views = questions.map((question, index) => questionView(question, index + 1, draftOf(store.key(question.id)), (answer) => {
    change({ ...model.get("answers"), [question.id]: answer });
  }));

  const isRight = (/** @type {any} */ question) =>
    shown[question.id] === undefined ? undefined : KINDS[question.kind].isRight(question, shown[question.id]);

  /** Show and keep the model's answers. Where the reader is about to give another one, theirs is left alone. */
  function follow() {
    const answers = model.get("answers");
    questions.forEach((question, index) => {
      const answer = KINDS[question.kind].fits(question, answers[question.id]) ? answers[question.id] : undefined;
      if (same(answer, shown[question.id])) return;
      shown[question.id] = answer;
      store.write(question.id, answer === undefined ? null : keptText(question, answer));
      if (!views[index].isDraft()) views[index].show(answer);
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
  for (const view of views) view.redraft();

  return {
    views,
    refused,
    store,
    /** Forget all answers, also those that were chosen and not checked. */
    forget() {
      change({});
      for (const [index, question] of questions.entries()) {
        store.write(question.id, null);
        views[index].forget();
      }
    },
    stop() {
      stopListening();
      for (const view of views) view.stop();
      model.off("change:answers", follow);
    },
  };
}
