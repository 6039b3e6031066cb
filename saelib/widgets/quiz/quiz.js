// A quiz: questions that say at once why, answers that are kept in this browser, and a score.

import { el, uniqueId } from "../common.js";
import { askAll } from "./question.js";

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    /** @type {any[]} */
    const questions = model.get("questions");
    const score = el("p", { className: "sae-quiz-score" });
    // In the middle of a chapter's text, questions stand without a heading and are not counted.
    const title = model.get("title");
    const again = el("button", { type: "button" }, title ? "Start this quiz again" : "Start again");
    const heading = uniqueId("title");
    const asked = askAll(model, questions, (isRight) => {
      score.textContent = `${questions.filter(isRight).length} of ${questions.length} right`;
    });
    again.addEventListener("click", () => {
      asked.forget();
      asked.views[0].focus();
    });

    root.append(
      el("section", title ? { className: "sae sae-quiz", "aria-labelledby": heading }
        : { className: "sae sae-quiz sae-quiz-inline", "aria-label": "A question on the way" },
        ...(title ? [el("p", { className: "sae-title", id: heading }, title)] : []),
        ...asked.views.map((view) => view.node),
        el("div", { className: "sae-quiz-end" }, ...(title ? [score] : []), again, asked.refused)));
    return asked.stop;
  },
};
