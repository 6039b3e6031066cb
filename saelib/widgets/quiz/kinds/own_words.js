// An answer in the reader's own words: which ideas are in it, and how it compares with a model answer.

import { el, uniqueId } from "../../common.js";
import { KINDS } from "../kind.js";
import { markup, mistake } from "../markup.js";

// The rule by which ideas are found is the one in own_words.py; a test compares the two.
const LONGEST = 2000;
const FEWEST_WORDS = 3;
const LETTER = "[a-z0-9\\u00c0-\\u00d6\\u00d8-\\u00f6\\u00f8-\\u1fff\\u2c00-\\u2dff\\u3040-\\ud7ff\\uf900-\\ufdff\\u{10000}-\\u{1efff}\\u{20000}-\\u{10ffff}]";
// Thai, Lao, Burmese, Khmer, Japanese and Chinese are written without spaces: there each letter is a word of its own, so that
// a phrase is found wherever its letters stand in a row.
const ALONE = "[\\u0e00-\\u0eff\\u1000-\\u109f\\u1780-\\u17ff\\u3040-\\u30ff\\u31f0-\\u31ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\u{20000}-\\u{3ffff}]";
const WORD = new RegExp(`${ALONE}|(?:(?!${ALONE})${LETTER})+`, "gu");
const PIECE = new RegExp(`\\.\\.|(?:${WORD.source})\\*?`, "gu");
const BREAK = /[.,;:!?()\n\u2013\u2014\u3001\u3002]/;
const JOINTS = new Set(["and", "but", "while", "whereas"]);
const GAP = 4;
const LISTED = 0.75;
/** The marks that readers give their own answers. @type {Record<string, string>} */
const MARKS = { same: "the same", part: "part of it", other: "something else" };

/** Without capitals and accents. @param {string} written */
const fold = (written) => written.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replaceAll("ς", "σ");

/** @param {string} written @returns {string[]} */
const wordsIn = (written) => fold(written).match(WORD) ?? [];

/** How many words a reader would count, also where no space parts them, if this browser can tell. @param {string} written */
function countWords(written) {
  if (!Intl.Segmenter) return wordsIn(written).length;
  const parts = [...new Intl.Segmenter(undefined, { granularity: "word" }).segment(written)];
  return Math.max(parts.filter(({ isWordLike }) => isWordLike).length, fold(written).match(new RegExp(`${LETTER}+`, "gu"))?.length ?? 0);
}

/** @typedef {[word: string, clause: number]} Token */

/** @param {string} written @returns {Token[]} */
function tokensIn(written) {
  const folded = fold(written);
  let [clause, end] = [0, 0];
  return Array.from(folded.matchAll(WORD), (found) => {
    clause += Number(BREAK.test(folded.slice(end, found.index)) || JOINTS.has(found[0]));
    end = found.index + found[0].length;
    return [found[0], clause];
  });
}

/** @param {string} phrase @returns {string[]} */
const piecesOf = (phrase) => fold(phrase).match(PIECE) ?? [];

/** @param {string} word @param {string} wanted */
const isWord = (word, wanted) => (wanted.endsWith("*") ? word.startsWith(wanted.slice(0, -1)) : word === wanted);

/**
 * Where the phrase ends that begins at this place, or -1. What ".." stands for lies in one clause and is not barred.
 * @param {Token[]} tokens @param {number} at @param {string[]} pieces @param {string[]} barred @returns {number}
 */
function endOf(tokens, at, pieces, barred) {
  for (const [number, piece] of pieces.entries()) {
    if (piece === "..") {
      for (let start = at; start < Math.min(tokens.length, at + GAP + 1) && tokens[start][1] === tokens[at - 1][1]; start++) {
        const end = endOf(tokens, start, pieces.slice(number + 1), barred);
        if (end >= 0) return end;
        if (barred.some((word) => isWord(tokens[start][0], word))) break;
      }
      return -1;
    }
    if (at >= tokens.length || !isWord(tokens[at][0], piece)) return -1;
    at++;
  }
  return at;
}

/**
 * Where any of the phrases begins and ends.
 * @param {Token[]} tokens @param {string[]} phrases @param {string[]} [barred] @returns {[start: number, end: number][]}
 */
function placesOf(tokens, phrases, barred = []) {
  const single = barred.map(piecesOf).filter((pieces) => pieces.length === 1).map(([word]) => word);
  return phrases.map(piecesOf).flatMap((pieces) => tokens.flatMap((_, start) => {
    const end = endOf(tokens, start, pieces, single);
    return end >= 0 ? [/** @type {[number, number]} */ ([start, end])] : [];
  }));
}

/**
 * What is said of whom, as own_words.py has it: for each mention of one of the ideas' `of`, the ideas and the words.
 * @param {Token[]} tokens @param {any[]} ideas
 */
function deedsIn(tokens, ideas) {
  /** @type {Map<number, Set<any>>} */
  const owners = new Map();
  for (const idea of ideas)
    for (const [start] of placesOf(tokens, idea.of ?? [])) owners.set(start, (owners.get(start) ?? new Set()).add(idea));
  /** @type {{owners: Set<any>, said: Token[]}[]} */
  const deeds = [];
  /** @type {Token[][]} */
  let goingOn = [];
  for (let first = 0, last; first < tokens.length; first = last) {
    last = tokens.findIndex(([, clause]) => clause > tokens[first][1]);
    if (last < 0) last = tokens.length;
    const starts = [...owners.keys()].filter((place) => place >= first && place < last).sort((a, b) => a - b);
    if (!starts.length) {
      for (const said of goingOn) said.push(...tokens.slice(first, last));
      continue;
    }
    const bounds = [first, ...starts.slice(1), last];
    const here = starts.map((start, i) => ({ owners: owners.get(start) ?? new Set(), said: tokens.slice(bounds[i], bounds[i + 1]) }));
    deeds.push(...here);
    goingOn = [...new Set([here[0].said, here[here.length - 1].said])];
  }
  return deeds;
}

const isTooLong = (/** @type {string} */ text) => [...text].length > LONGEST;

/** @param {any} question @param {{text: string, mark?: string}} answer */
function judge(question, { text, mark }) {
  const tokens = tokensIn(text);
  /** @type {any[]} */
  const ideas = question.ideas;
  const lookedFor = new Set(ideas.flatMap((idea) => placesOf(tokens, [...idea.any, ...(idea.of ?? [])]))
    .flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i)));
  // Words that are looked for, and hardly any others, are a list: they say nothing of how they hang together.
  const listed = lookedFor.size >= LISTED * tokens.length;
  const deeds = deedsIn(tokens, ideas);
  // In a clause that says the opposite, nothing counts; another clause may set something against it.
  const isIn = (/** @type {Token[]} */ said, /** @type {any} */ idea) => {
    const clauses = (/** @type {[number, number]} */ [start, end]) => said.slice(start, end).map(([, clause]) => clause);
    const takenBack = placesOf(said, idea.unless ?? [], idea.any).flatMap(clauses);
    return placesOf(said, idea.any).some((place) => !clauses(place).some((clause) => takenBack.includes(clause)));
  };
  const has = (/** @type {any} */ idea) =>
    !listed && (idea.of ? deeds.some(({ owners, said }) => owners.has(idea) && isIn(said, idea)) : isIn(tokens, idea));
  const found = ideas.filter(has);
  const enough = found.length >= (question.enough ?? ideas.length);
  return {
    listed,
    found,
    missing: ideas.filter((idea) => !has(idea)),
    enough,
    // A list of words misses what a person sees: the reader, once they have read the model answer, has the last word
    // that this one says the same. No mark makes an answer wrong again: honesty costs nothing either.
    right: enough || mark === "same",
  };
}

/** "a, b and c", each with its markup. @param {any[]} ideas @returns {(Node|string)[]} */
const names = (ideas) => ideas.flatMap(({ name }, i) =>
  [i === 0 ? "" : i === ideas.length - 1 ? " and " : ", ", el("em", {}, ...markup(name))]);

KINDS["own-words"] = {
  retry: "Add to your answer and check again: another try costs nothing. Or compare it with the model answer.",
  fits(question, answer) {
    const { text, mark = "same", ...more } = Object(answer);
    return typeof text === "string" && !isTooLong(text) && wordsIn(text).length >= FEWEST_WORDS
      && typeof mark === "string" && Object.hasOwn(MARKS, mark) && Object.keys(more).length === 0;
  },
  isRight: (question, answer) => judge(question, answer).right,
  feedback(question, answer) {
    const { listed, found, missing, enough, right } = judge(question, answer);
    if (!right && listed) return [["These are words that belong to an answer. Say in a sentence how they hang together."]];
    if (!right)
      return [
        ["Your answer does not yet say ", ...names(missing), "."],
        ...missing.map((idea) => (idea.misconception ? mistake(idea) : markup(idea.feedback))),
        ...(found.length ? [["It does say ", ...names(found), "."]] : []),
      ];
    return [
      enough ? ["Your answer says ", ...names(found), "."] : ["You compared it with the model answer, and found that it says the same."],
      ...(enough && missing.length ? [["What it could say as well: ", ...names(missing), "."]] : []),
    ];
  },
  controls(question, onChange, onCheck) {
    const id = uniqueId("words");
    const area = el("textarea", { id, rows: 4 });
    const printed = el("div", { className: "sae-quiz-printed", "aria-hidden": "true" });
    const setText = (/** @type {string} */ text) => { area.value = printed.textContent = text; };
    const group = uniqueId("mark");
    const radios = Object.entries(MARKS).map(([value, words]) => {
      const input = el("input", { type: "radio", name: group, value, onchange: onCheck });
      return { input, label: el("label", {}, input, el("span", {}, words)) };
    });
    const title = el("p", { id: `${group}-title` }, "Compare: my answer says …");
    const panel = el("div", { className: "sae-quiz-model", id: uniqueId("model"), hidden: true },
      el("blockquote", {}, el("p", {}, ...markup(question.model_answer))),
      el("div", { role: "radiogroup", "aria-labelledby": title.id, className: "sae-quiz-compare" },
        title, ...radios.map(({ label }) => label)));
    const toggle = el("button", { type: "button", "aria-controls": panel.id }, "Model answer");
    const open = (/** @type {boolean} */ isOpen) => {
      panel.hidden = !isOpen;
      toggle.setAttribute("aria-expanded", String(isOpen));
    };
    open(false);
    toggle.addEventListener("click", () => open(panel.hidden));
    // Only who has written something sees it: reading a good answer is no substitute for trying one.
    const after = el("div", { className: "sae-quiz-after", hidden: true }, toggle, panel);
    const setMark = (/** @type {string|undefined} */ mark) => radios.forEach(({ input }) => { input.checked = input.value === mark; });
    area.addEventListener("input", () => {
      printed.textContent = area.value;
      setMark(undefined); // it was the mark of another text
      onChange();
    });
    return {
      node: el("div", { className: "sae-quiz-words" }, el("label", { for: id }, "Your answer, in a sentence or two"), area, printed),
      after,
      read() {
        const text = area.value;
        if (isTooLong(text) || countWords(text) < FEWEST_WORDS) return undefined;
        const mark = radios.find(({ input }) => input.checked)?.input.value;
        return mark === undefined ? { text } : { text, mark };
      },
      draft: () => area.value,
      redraft(draft) {
        if (typeof draft !== "string") return false;
        setText(draft);
        setMark(undefined);
        return true;
      },
      missing: () => (isTooLong(area.value)
        ? `Your answer has ${[...area.value].length.toLocaleString("en")} characters, and ${LONGEST.toLocaleString("en")} are as many as can be kept. It stands here whole: shorten it and check again.`
        : `Write a sentence first: ${FEWEST_WORDS} words or more.`),
      write(answer) {
        setText(answer?.text ?? "");
        setMark(answer?.mark);
        after.hidden = answer === undefined;
        if (answer === undefined || answer.mark !== undefined) open(answer !== undefined);
      },
      mark(answer) {
        if (answer !== undefined) after.hidden = false;
      },
    };
  },
};
