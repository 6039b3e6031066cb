// The review: how far the reader has come in each chapter, all the questions in one place, and the results as a file.

import { chooser, el, hashState, uniqueId } from "../common.js";
import { learnFormulas, markup } from "./markup.js";
import { whenKept } from "./kept.js";
import { answerNow, askAll, keptText, parseAnswer } from "./question.js";

const LAST_ORDER = 9999;
const LARGEST_FILE = 1e6; // bytes

const count = (/** @type {number} */ number, /** @type {string} */ thing) => `${number} ${thing}${number === 1 ? "" : "s"}`;

/** Where a question stands in an order: the same for everybody, whatever other questions there are.
 * @param {number} order @param {string} id */
function rank(order, id) {
  let hash = 2166136261; // FNV-1a, and the last steps of MurmurHash, since similar ids have to part
  for (const character of `${order} ${id}`) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16777619);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** The questions in an order; 0 is the book's own. @param {any[]} questions @param {number} order */
const arrange = (questions, order) =>
  order === 0 ? questions : [...questions].sort((a, b) => rank(order, a.id) - rank(order, b.id));

/** The text as an order's number, or undefined. @param {string|null} text */
const parseOrder = (text) => (/^\d{1,4}$/.test(text ?? "") ? Number(text) : undefined);

/**
 * What a file of results holds for the questions of this book, by id, or an Error that says why it can't be taken. Questions go
 * and their texts change, so an answer that is none to a question as it is now asked is left out, and counted.
 * @param {string} text
 * @param {string} book
 * @param {Map<string, any>} questions
 * @returns {{kept: [id: string, {answer: any, right: boolean}][], left: number, edition: string}}
 */
function parseResults(text, book, questions) {
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error("it is no JSON, or only a part of it.");
  }
  const isObject = (/** @type {any} */ value) => value !== null && typeof value === "object" && !Array.isArray(value);
  if (!isObject(data) || typeof data.book !== "string" || typeof data.edition !== "string" || !isObject(data.answers))
    throw new Error("it is no file of results, as “Download my results” makes it.");
  if (data.book !== book) throw new Error(`it holds the results of another book, “${data.book.slice(0, 80)}”.`);
  const all = Object.entries(data.answers);
  const kept = all.flatMap(([id, entry]) => {
    const question = questions.get(id);
    const answer = question && isObject(entry) && typeof entry.right === "boolean" ? answerNow(question, entry.answer) : undefined;
    return answer === undefined ? [] : [/** @type {[string, any]} */ ([id, { answer, right: entry.right }])];
  });
  if (all.length && !kept.length) throw new Error("none of its answers is one to a question of this book.");
  return { kept, left: all.length - kept.length, edition: data.edition };
}

/** The list of chapters with their scores. @param {any} model @param {any[]} questions all of them, by chapter */
function scoreList(model, questions) {
  // In a notebook, which has no such pages to go to, a link would lead away from the reader's work.
  const published = document.documentElement.dataset.widgetHost !== undefined;
  const link = (/** @type {string} */ href, /** @type {(Node|string)[]} */ words) =>
    (published ? el("a", { href }, ...words) : el("span", {}, ...words));
  const byId = new Map(questions.map((question) => [question.id, question]));
  const rows = model.get("chapters").map((/** @type {{name: string, title: string, ids: string[]}} */ { name, title, ids }) => {
    const words = el("span", { className: "sae-review-words" });
    const bar = el("span", { className: "sae-review-bar", "aria-hidden": "true" });
    const summary = el("summary", {});
    const passages = el("ul", {});
    const reread = el("details", {}, summary, passages);
    const node = el("li", {}, el("p", {}, link(`${name}.html`, [title]), ": ", words), bar, reread);
    /** @param {(question: any) => boolean|undefined} isRight */
    function show(isRight) {
      const all = ids.map((id) => byId.get(id));
      const wrong = all.filter((question) => isRight(question) === false);
      const open = all.filter((question) => isRight(question) === undefined);
      const right = all.length - wrong.length - open.length;
      words.textContent = `${right} of ${all.length} right${open.length ? `, ${open.length} not answered` : ""}`;
      bar.style.setProperty("--right", String(right / all.length));
      bar.style.setProperty("--answered", String(1 - open.length / all.length));
      reread.hidden = right === all.length;
      summary.textContent = `Passages to reread: ${all.length - right}`;
      passages.replaceChildren(...[...wrong, ...open].map((question) =>
        el("li", {}, link(question.anchor, markup(question.prompt)), isRight(question) === false ? " (not right yet)" : " (not answered)")));
      return { right, open: open.length };
    }
    return { node, show };
  });
  return {
    node: el("ul", { className: "sae-review-chapters" }, ...rows.map((/** @type {any} */ row) => row.node)),
    /** @param {(question: any) => boolean|undefined} isRight */
    show(isRight) {
      const scores = rows.map((/** @type {any} */ row) => row.show(isRight));
      const sum = (/** @type {"right"|"open"} */ what) => scores.reduce((/** @type {number} */ all, /** @type {any} */ score) => all + score[what], 0);
      return { right: sum("right"), open: sum("open") };
    },
  };
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    /** @type {any[]} */
    const questions = model.get("questions");
    /** @type {any[]} */
    const counted = model.get("counted");
    for (const question of counted) learnFormulas(question.math);
    const heading = uniqueId("title");
    const total = el("p", { className: "sae-review-total" });
    const list = scoreList(model, [...questions, ...counted]);

    // What is kept of the questions that are asked in their chapters only.
    /** @type {Record<string, {answer: any, right: boolean}>} */
    let predictions = {};
    /** @type {(question: any) => boolean|undefined} */
    let isRightHere = () => undefined;
    const isRight = (/** @type {any} */ question) =>
      (counted.includes(question) ? predictions[question.id]?.right : isRightHere(question));
    function showScores() {
      const { right, open } = list.show(isRight);
      const all = questions.length + counted.length;
      total.textContent = `${right} of ${all} right${open ? `, ${open} not answered` : ""}`;
    }
    const asked = askAll(model, questions, (now) => {
      isRightHere = now;
      showScores();
    });
    function followPredictions() {
      const kept = counted.map((question) => {
        const text = asked.store.read(question.id);
        const answer = parseAnswer(question, text);
        return [question.id, answer === undefined ? undefined : { answer, right: JSON.parse(text ?? "").right === true }];
      });
      predictions = Object.fromEntries(kept.filter(([, found]) => found));
      if (JSON.stringify(predictions) !== JSON.stringify(model.get("predictions"))) {
        model.set("predictions", predictions);
        model.save_changes();
      }
      showScores();
    }
    followPredictions();
    const stopListening = whenKept(followPredictions);

    // Which questions are shown, and in which order.
    const hash = hashState("order");
    let order = parseOrder(hash.get()) ?? 0;
    let onlyOpen = false;
    const said = el("p", { className: "sae-review-said", role: "status" });
    const place = el("div", { className: "sae-quiz" });
    const viewOf = new Map(questions.map((question, index) => [question.id, asked.views[index]]));
    for (const chapter of model.get("chapters"))
      for (const id of chapter.ids)
        viewOf.get(id)?.node.append(el("p", { className: "sae-review-from" }, `From the chapter “${chapter.title}”`));

    /** What is right now leaves only when the reader asks anew: the words of praise can be read before. */
    function showQuestions() {
      const shown = arrange(questions, order).filter((question) => !onlyOpen || !isRight(question));
      place.replaceChildren(...shown.map((question, index) => {
        const view = /** @type {(typeof asked.views)[number]} */ (viewOf.get(question.id));
        view.renumber(index + 1);
        return view.node;
      }));
      number.value = String(order);
      return shown.length;
    }
    /** The same, said aloud, when the reader has asked for it. */
    function showAnew() {
      const shown = showQuestions();
      const which = shown ? count(shown, "question") : "No questions: all of them are answered rightly";
      said.textContent = `${which}, in ${order ? `order ${order}` : "the order of the book"}.`;
    }
    /** @param {number} next */
    function setOrder(next) {
      order = next;
      hash.set(String(order));
      showAnew();
    }

    const choice = chooser({
      label: "Show",
      choices: ["All questions", "Only those not right yet"].map((name) => ({ name, face: name })),
      value: 0,
      onInput(index) {
        onlyOpen = index === 1;
        showAnew();
      },
    });
    const number = el("input", { type: "number", min: 0, max: LAST_ORDER, step: 1, id: uniqueId("order"), inputMode: "numeric" });
    const note = el("p", { className: "sae-review-note", id: uniqueId("note") },
      "The same number gives everybody the same order; 0 is the order of the book.");
    number.setAttribute("aria-describedby", note.id);
    number.addEventListener("change", () => {
      const next = parseOrder(number.value);
      if (next !== undefined) return setOrder(next);
      number.value = String(order);
      said.textContent = `The order is a whole number from 0 to ${LAST_ORDER}.`;
    });
    const shuffle = el("button", { type: "button" }, "Shuffle");
    shuffle.addEventListener("click", () => {
      // Another one than now, and never the book's.
      const next = 1 + Math.floor(Math.random() * (LAST_ORDER - 1));
      setOrder(next < order ? next : next + Number(order > 0));
    });
    const onHash = () => {
      const next = parseOrder(hash.get());
      if (next === undefined || next === order) return;
      order = next;
      showAnew();
    };
    window.addEventListener("hashchange", onHash);

    // The results as a file, and forgetting them.
    const done = el("p", { className: "sae-review-said", role: "status" });
    const download = el("button", { type: "button" }, "Download my results");
    download.addEventListener("click", () => {
      const answers = model.get("answers");
      const here = questions.filter((question) => isRight(question) !== undefined);
      const results = {
        book: model.get("book"),
        edition: model.get("edition"),
        made: new Date().toISOString(),
        answers: {
          ...Object.fromEntries(here.map((question) => [question.id, { answer: answers[question.id], right: isRight(question) }])),
          ...predictions,
        },
      };
      const url = URL.createObjectURL(new Blob([JSON.stringify(results, null, 1)], { type: "application/json" }));
      el("a", { href: url, download: `results-${results.made.slice(0, 10)}.json` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 10_000);
      done.textContent = `A file with ${count(Object.keys(results.answers).length, "answer")} is being saved.`;
    });

    const file = el("input", { type: "file", accept: ".json,application/json", id: uniqueId("file") });
    file.addEventListener("change", async () => {
      const [chosen] = file.files;
      if (!chosen) return;
      try {
        if (chosen.size > LARGEST_FILE) throw new Error("it is too large to be a file of results.");
        const byId = new Map([...questions, ...counted].map((question) => [question.id, question]));
        const results = parseResults(await chosen.text(), model.get("book"), byId);
        const texts = results.kept.map(([id, { answer, right }]) => {
          const question = byId.get(id);
          // What can be found out is not taken on trust.
          return /** @type {[string, string]} */ ([id, keptText(question, answer, counted.includes(question) ? right : undefined)]);
        });
        if (!asked.store.restore(texts)) throw new Error("this browser can't keep it: its storage is full or denied.");
        showQuestions();
        done.textContent = [
          `${count(texts.length, "answer")} restored.`,
          ...(results.edition === model.get("edition") ? [] : ["They are from another edition, in which some questions may read otherwise."]),
          ...(results.left ? [`${count(results.left, "answer")} left out: this book does not ask that, or no longer offers that answer.`] : []),
          "Other answers that were kept here are as they were.",
        ].join(" ");
      } catch (error) {
        const why = error instanceof Error ? error.message : error;
        done.textContent = `“${chosen.name}” was not restored: ${why} Nothing was changed.`;
      }
      file.value = ""; // so that the same file can be chosen again
    });

    const reset = el("button", { type: "button", "aria-expanded": "false" }, "Reset everything");
    const sure = el("button", { type: "button" }, "Yes, forget all my answers");
    const keep = el("button", { type: "button" }, "No, keep them");
    const question = el("p", { id: uniqueId("sure") }, "All your answers in this browser will be forgotten, in every chapter of this book. Are you sure?");
    const confirm = el("div", { className: "sae-review-confirm", role: "group", "aria-labelledby": question.id, hidden: true },
      question, el("div", { className: "sae-review-row" }, keep, sure));
    const ask = (/** @type {boolean} */ open) => {
      confirm.hidden = !open;
      reset.setAttribute("aria-expanded", String(open));
      (open ? keep : reset).focus();
    };
    reset.addEventListener("click", () => {
      done.textContent = "";
      ask(Boolean(confirm.hidden));
    });
    keep.addEventListener("click", () => ask(false));
    confirm.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (event.key === "Escape") ask(false);
    });
    sure.addEventListener("click", () => {
      asked.forget();
      for (const question of counted) asked.store.write(question.id, null);
      showQuestions();
      ask(false);
      done.textContent = "All answers are forgotten.";
    });

    showQuestions();
    root.append(
      el("section", { className: "sae sae-review", "aria-labelledby": heading },
        el("p", { className: "sae-title", id: heading }, "Where you stand"),
        total, list.node,
        el("div", { className: "sae-review-controls" },
          choice.node,
          el("div", {},
            el("label", { for: number.id }, "Order"),
            el("div", { className: "sae-review-row" }, number, shuffle))),
        note, said, place,
        el("div", { className: "sae-review-end" },
          el("div", { className: "sae-review-row" }, download, reset,
            el("div", { className: "sae-review-file" }, el("label", { for: file.id }, "Restore results"), file)),
          confirm, done, asked.refused)));
    return () => {
      stopListening();
      asked.stop();
      window.removeEventListener("hashchange", onHash);
    };
  },
};
