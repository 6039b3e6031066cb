// Something to bring about in the explorable on the same page that shows a GPT at work.

import { el } from "../../common.js";
import { KINDS } from "../kind.js";
import { SIGNS, markup } from "../markup.js";

/**
 * What such an explorable tells of itself, as the detail of the event "saelive" of the document.
 * @typedef {{
 *   name: string, title: string,
 *   text: string, example?: boolean,  // whether the text is one of its examples
 *   tokens: string[], place: number,  // the first token is the mark of a file's beginning; `place` is the framed one
 *   guesses: [token: string, share: number][],
 *   bits: (number|null)[],
 *   features: [number: number, strength: number][],  // on at the framed token
 *   edited: null|{guesses: [string, number][], gains: [number, number][], puts: [number, number][]},
 * }} Seen
 */
/** @typedef {Record<string, any>} Found the facts in an answer, by name */
/** @typedef {(Node|string)[]} Words */

const LONGEST_TEXT = 2000;
const LONGEST_TOKEN = 100;
const LONGEST_BEFORE = 24; // characters in front of the framed token

/** The beginning of a text, or with a negative count its end, in whole characters and without halves of any. @param {string} text @param {number} count */
const cut = (text, count) =>
  (count < 0 ? [...text].slice(count) : [...text].slice(0, count)).join("").replace(/\p{Surrogate}/gu, "\ufffd");
const isTextOf = (/** @type {number} */ limit) => (/** @type {any} */ value) => typeof value === "string" && [...value].length <= limit;
const isAmount = (/** @type {any} */ value) => typeof value === "number" && Math.abs(value) <= 1e15;
const isEither = (/** @type {any} */ value) => typeof value === "boolean";
const hasPart = (/** @type {string} */ text, /** @type {string} */ part) => text.toLowerCase().includes(part.toLowerCase());

/** How strongly a brick is on. @param {Seen} seen @param {number} brick */
const strengthOf = ({ features }, brick) => features.find(([number]) => number === brick)?.[1] ?? 0;

/** A token or a piece of text, with its white space made visible as in the feature browser. @param {string} text */
const codeOf = (text) => el("code", { className: "sae-quiz-token" }, text
  .replace(/ +/g, (blanks, at) => (blanks.length > 1 || at + 1 === text.length ? "·".repeat(blanks.length) : blanks))
  .replace(/\t/g, "→").replace(/\r/g, "␍").replace(/\n/g, "⏎"));

/**
 * A number with as few decimals, from `decimals` on, as leave it on its side of all limits.
 * @param {number} value @param {(number|undefined)[]} limits @param {number} decimals @param {number} [times] as which it is told
 */
function toldNumber(value, limits, decimals, times = 1) {
  const shown = (/** @type {number} */ digits) => (value * times).toFixed(digits);
  const told = (/** @type {number} */ digits) => Number(shown(digits)) / times;
  const parts = (/** @type {number} */ digits) => limits.some((limit) =>
    limit !== undefined && ((told(digits) >= limit) !== (value >= limit) || (told(digits) <= limit) !== (value <= limit)));
  while (decimals < 6 && parts(decimals)) decimals++;
  return shown(decimals);
}
/** A share out of a hundred. @param {any} goal @param {number} share */
const percentOf = (goal, share) => `${toldNumber(share, [goal.sure, goal.unsure], 0, 100)}%`;
const hundredths = (/** @type {number} */ share) => `${Number((100 * share).toFixed(6))}%`;

/** "“a”, “b” and “c”". @param {string[]} parts @returns {Words} */
const listed = (parts) => parts.flatMap((part, i) =>
  [i === 0 ? "" : i === parts.length - 1 ? " and " : ", ", "“", codeOf(part), "”"]);

/**
 * A goal: `says` what has to hold, `now` says what is so instead or with which number (nothing, where "yes" says all),
 * `facts` are those that it needs beside those of every answer, and `take` gets them. experiment.py has the same goals and rules.
 * @typedef {{
 *   says: (goal: any) => Words,
 *   now: (goal: any, found: Found) => Words,
 *   holds: (goal: any, found: Found) => boolean,
 *   facts?: Record<string, (value: any) => boolean>,
 *   take?: (goal: any, seen: Seen) => Found,
 * }} Goal
 */
/** @type {Record<string, Goal>} */
const GOALS = {
  sure: {
    says: ({ sure }) => [`the first guess has at least ${hundredths(sure)}`],
    now: (goal, { share }) => [`it has ${percentOf(goal, share)}`],
    holds: ({ sure }, { share }) => share >= sure,
  },
  unsure: {
    says: ({ unsure }) => [`the first guess has at most ${hundredths(unsure)}`],
    now: (goal, { share }) => [`it has ${percentOf(goal, share)}`],
    holds: ({ unsure }, { share }) => share <= unsure,
  },
  guess: {
    says: ({ guess }) => ["the first guess is ", codeOf(guess)],
    now: (goal, { guess }) => (guess === goal.guess ? []
      : ["it is ", codeOf(guess), ...(guess.trim() === goal.guess.trim() ? [", with other blanks around it"] : [])]),
    holds: (goal, { guess }) => guess === goal.guess,
  },
  feature: {
    says: ({ feature }) => [`brick ${feature} is on`],
    now: (goal, { strength }) => (strength > 0 ? [`with a strength of ${toldNumber(strength, [goal.strength, 0], 1)}`] : []),
    holds: (_, { strength }) => strength > 0,
    facts: { strength: isAmount },
    take: ({ feature }, seen) => ({ strength: strengthOf(seen, feature) }),
  },
  strength: {
    says: ({ feature, strength }) => [`brick ${feature} has a strength of at least ${strength}`],
    now: (goal, { strength }) => [strength > 0 ? `it has ${toldNumber(strength, [goal.strength, 0], 1)}` : "it is off"],
    holds: (goal, { strength }) => strength >= goal.strength,
    facts: { strength: isAmount },
    take: ({ feature }, seen) => ({ strength: strengthOf(seen, feature) }),
  },
  off: {
    says: ({ off }) => [`brick ${off} is off`],
    now: (_, { off }) => (off > 0 ? [`it is on with a strength of ${toldNumber(off, [0], 1)}`] : []),
    holds: (_, { off }) => off <= 0,
    facts: { off: isAmount },
    take: ({ off }, seen) => ({ off: strengthOf(seen, off) }),
  },
  holds: {
    says: ({ holds }) => ["the text has ", ...listed(holds)],
    now({ holds }, { text }) {
      const missing = holds.filter((/** @type {string} */ part) => !hasPart(text, part));
      return missing.length ? [...listed(missing), missing.length > 1 ? " are missing" : " is missing"] : [];
    },
    holds: ({ holds }, { text }) => holds.every((/** @type {string} */ part) => hasPart(text, part)),
  },
  lacks: {
    says: ({ lacks }) => ["the text does without ", ...listed(lacks)],
    now({ lacks }, { text }) {
      const there = lacks.filter((/** @type {string} */ part) => hasPart(text, part));
      return there.length ? ["it has ", ...listed(there)] : [];
    },
    holds: ({ lacks }, { text }) => !lacks.some((/** @type {string} */ part) => hasPart(text, part)),
  },
  least_tokens: {
    says: (goal) => [`the text has at least ${goal.least_tokens} token${goal.least_tokens === 1 ? "" : "s"}`],
    now: (_, { tokens }) => [`it has ${tokens}`],
    holds: (goal, { tokens }) => tokens >= goal.least_tokens,
    facts: { tokens: (value) => Number.isInteger(value) && value >= 0 && isAmount(value) },
    take: (_, { tokens }) => ({ tokens: tokens.length - 1 }), // the first is no part of the text
  },
  turned: {
    says: ({ turned }) => [`brick ${turned} is turned`],
    now: () => [],
    holds: (_, { turned }) => turned,
    facts: { turned: isEither },
    take: ({ turned }, { edited }) => ({ turned: [...edited?.gains ?? [], ...edited?.puts ?? []].some(([brick]) => brick === turned) }),
  },
  changed: {
    says: () => ["what is turned makes another first guess"],
    now: (_, { edited, guess }) => (edited === null ? ["nothing is turned"] : [edited === guess ? "it is still " : "it is ", codeOf(edited)]),
    holds: (_, { edited, guess }) => edited !== null && edited !== guess,
    facts: { edited: (value) => value === null || isTextOf(LONGEST_TOKEN)(value) },
    take: (_, { edited }) => ({ edited: edited && cut(edited.guesses[0]?.[0] ?? "", LONGEST_TOKEN) }),
  },
  own: {
    says: () => ["the text is your own"],
    now: (_, { example }) => (example ? ["it is one of the examples"] : []),
    holds: (_, { example }) => !example,
    facts: { example: isEither },
    take: (_, { example }) => ({ example: example === true }),
  },
  surprise: {
    says: ({ surprise }) => [`the framed token cost at least ${surprise} bit${surprise === 1 ? "" : "s"}`],
    now: ({ surprise }, { bits }) => (bits === null ? ["nothing was expected before it"] : [`it cost ${toldNumber(bits, [surprise], 1)}`]),
    holds: ({ surprise }, { bits }) => bits !== null && bits >= surprise,
    facts: { bits: (value) => value === null || isAmount(value) },
    take: (_, { bits, place }) => ({ bits: isAmount(bits[place]) ? bits[place] : null }),
  },
};
/** What every answer says. @type {Record<string, (value: any) => boolean>} */
const FOUND = {
  text: isTextOf(LONGEST_TEXT),
  before: isTextOf(LONGEST_TOKEN),
  token: isTextOf(LONGEST_TOKEN),
  guess: isTextOf(LONGEST_TOKEN),
  share: (value) => typeof value === "number" && value >= 0 && value <= 1,
};

/** @param {any} question @returns {Goal[]} in the author's order */
const goalsOf = ({ goal }) => Object.keys(goal).map((name) => GOALS[name]);

/** What an explorable shows, as an answer: no more than the goal needs. @param {any} question @param {Seen} seen @returns {Found} */
function factsOf(question, seen) {
  const { text, tokens, place, guesses: [[guess, share] = ["", 0]] } = seen;
  return Object.assign({
    text: cut(text, LONGEST_TEXT),
    before: cut(tokens.slice(1, Math.max(1, place)).join(""), -LONGEST_BEFORE),
    token: cut(tokens[place] ?? "", LONGEST_TOKEN),
    guess: cut(guess, LONGEST_TOKEN),
    share: Math.min(1, share), // a sum in 32 bits may be a little more
  }, ...goalsOf(question).map((goal) => goal.take?.(question.goal, seen)));
}

/** "after `self.name =` the first guess is `name`, with 98%". @param {any} question @param {Found} found @returns {Words} */
function seenWords({ goal }, { before, token, guess, share }) {
  // Of several lines the last one says enough, unless there is nothing on it.
  const whole = before + token;
  const line = whole.replace(/^[\s\S]*\n(?=[^\n]*\S)/, "");
  const after = line === whole && [...before].length === LONGEST_BEFORE ? `…${line}` : line.trimStart() || line;
  return [...(after ? ["after ", codeOf(after)] : ["at the beginning of a file"]),
    " the first guess is ", codeOf(guess), `, with ${percentOf(goal, share)}`];
}

KINDS.experiment = {
  note: "Do it in the explorable. What it shows when you check is your answer.",
  retry: "Go on in the explorable and check again: another try costs nothing.",
  fits(question, answer) {
    if (answer === null || typeof answer !== "object" || Array.isArray(answer)) return false;
    const facts = Object.entries(Object.assign({}, FOUND, ...goalsOf(question).map((goal) => goal.facts)));
    return Object.keys(answer).length === facts.length
      && facts.every(([name, isFact]) => Object.hasOwn(answer, name) && isFact(answer[name]));
  },
  isRight: (question, answer) => goalsOf(question).every((goal) => goal.holds(question.goal, answer)),
  feedback(question, answer) {
    const goal = question.goal;
    const missing = goalsOf(question).filter((each) => !each.holds(goal, answer));
    const [first, ...rest] = seenWords(question, answer);
    const seen = [String(first).replace(/^a/, "A"), ...rest, "."];
    if (!missing.length) return [seen, markup(question.feedback)];
    return [seen, ...missing.map((each) => {
      const now = each.now(goal, answer);
      return ["Still missing: ", ...each.says(goal), ...(now.length ? [" (", ...now, ")"] : []), "."];
    })];
  },
  controls(question) {
    const { explorable, goal } = question;
    /** The latest that the explorable has told. @type {Seen|undefined} */
    let seen;
    const section = () => document.getElementById(`live-${explorable}`);
    const itsTitle = () => seen?.title ?? section()?.querySelector(".sae-title")?.textContent;
    const title = () => itsTitle() ?? "the explorable";
    const titleNode = () => (itsTitle() === undefined ? title() : el("em", {}, title()));

    const words = el("p", {});
    const parts = goalsOf(question).map((each) => {
      const [sign, verdict] = [el("span", { className: "sae-quiz-sign", "aria-hidden": "true" }), el("span", {})];
      return { each, sign, verdict, node: el("li", {}, sign, el("span", {}, ...each.says(goal), ": ", verdict)) };
    });
    // Where the passage to reread is on another page, the explorable is there too.
    const [page] = (question.anchor ?? "").split("#");
    const link = el("a", { href: `${page}#live-${explorable}` });
    // The address may hold what the explorables on this page are to show: where the way is a short one, it stays as it is.
    link.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      const there = section();
      if (!there || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      if (!there.hasAttribute("tabindex")) there.tabIndex = -1;
      there.scrollIntoView();
      there.focus({ preventScroll: true });
    });
    const elsewhere = () => page !== "" && !section();
    const way = el("p", { className: "sae-quiz-way" }, link);

    /** What is judged, as it is now: for the eye and for who reads on; only Check speaks. */
    function show() {
      link.textContent = `Go to ${title()}${elsewhere() ? ", on another page" : ""}`;
      // In a notebook, which has no such pages, it would lead away from the reader's work.
      way.hidden = !section() && document.documentElement.dataset.widgetHost === undefined;
      const found = seen && factsOf(question, seen);
      words.replaceChildren(...(found ? ["Seen in ", titleNode(), ": ", ...seenWords(question, found), "."]
        : ["Nothing is seen yet of ", titleNode(), "."]));
      for (const { each, sign, verdict, node } of parts) {
        const holds = found !== undefined && each.holds(goal, found);
        const now = found ? each.now(goal, found) : [];
        node.dataset.verdict = holds ? "right" : "";
        sign.textContent = holds ? SIGNS.right : "·";
        verdict.replaceChildren(holds ? "yes" : "not yet", ...(now.length ? [", ", ...now] : []));
      }
    }
    const listen = (/** @type {any} */ { detail }) => {
      if (detail?.name !== explorable) return;
      seen = detail;
      show();
    };
    const ask = () => document.dispatchEvent(new CustomEvent("saelive-ask"));
    document.addEventListener("saelive", listen);
    show();
    ask();
    return {
      node: el("div", { className: "sae-quiz-experiment", "aria-live": "off" },
        words, el("ul", { "aria-label": "What has to hold" }, ...parts.map(({ node }) => node)), way),
      read() {
        ask(); // it may have changed this very moment, and tell of it only in the next
        const found = seen && factsOf(question, seen);
        return KINDS.experiment.fits(question, found) ? found : undefined;
      },
      missing: () => (elsewhere() ? `This is done on another page, in ${title()}.`
        : `Start ${title()} first: nothing is seen of it yet.`),
      write: show,
      mark: () => {},
      stop: () => document.removeEventListener("saelive", listen),
    };
  },
};
