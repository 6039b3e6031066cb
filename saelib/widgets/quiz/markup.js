// What quizzes show: the little markup of their texts, and the signs of right and wrong.

import { el } from "../common.js";

/** The sign beside what is right, what is wrong, and what nothing is said of. @type {Record<string, string>} */
export const SIGNS = { right: "✓", wrong: "✗", "": "" };

/** The formulas of all questions in the page, by their TeX, as formulas.py made them. @type {Map<string, any[]>} */
const FORMULAS = new Map();

/** Before a question is shown: its formulas. @param {Record<string, any[]>} [math] */
export function learnFormulas(math = {}) {
  for (const [tex, tree] of Object.entries(math)) FORMULAS.set(tex, tree);
}

/** @param {any[]} tree [tag, attributes, child, ...] @returns {Element} */
function mathElement([tag, attributes, ...children]) {
  const node = document.createElementNS("http://www.w3.org/1998/Math/MathML", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children.map((child) => (typeof child === "string" ? child : mathElement(child))));
  return node;
}

/** A formula, with its TeX as its name; or, if nobody has made it, the text as it is. @param {string} whole @param {string} tex */
function formula(whole, tex) {
  const tree = FORMULAS.get(tex);
  if (!tree) return whole;
  const node = mathElement(tree);
  node.setAttribute("aria-label", tex);
  return node;
}

/** Words that rest on a claim; the book's page gives them an address and a note. @param {string} words @param {string} claim */
function claimed(words, claim) {
  const node = el("a", { className: "claim-mark" }, words);
  node.dataset.claim = claim;
  return node;
}

// What binds tightest: a dollar that begins no formula, `code`, a formula (by the rule in formulas.py), [words](claim:name).
// While emphasis is looked for around it, the one character STAND_IN takes its place; an author's own is taken out as well.
const STAND_IN = "\ufffc";
const ATOMS = /\\\$|`([^`]+)`|\[([^\]]+)\]\(claim:([a-z0-9-]+)\)|\$(?![ \t\r\n])((?:\\[^\r\n]|[^\\$])*(?:\\[^ \t\r\n]|[^\\$ \t\r\n]))\$(?![0-9])|\ufffc/g;
const EMPHASIS = /\*\*(\S|\S.*?\S)\*\*|\*(\S|\S.*?\S)\*/;

/**
 * An author's text as nodes: `code`, *emphasis*, **strong**, $formulas$, [claims](claim:name), and everything else as the text it is.
 * Elements are made one by one and nothing is parsed as HTML, so that no text can become anything else.
 * @param {string} text
 * @returns {(Node|string)[]}
 */
export function markup(text) {
  /** @type {(Node|string)[]} */
  const atoms = [];
  const rest = text.replace(ATOMS, (whole, code, words, claim, tex) => {
    atoms.push(code ? el("code", {}, code) : claim ? claimed(words, claim) : tex ? formula(whole, tex) : whole === "\\$" ? "$" : whole);
    return STAND_IN;
  });
  return emphasised(rest, atoms);
}

/** @param {string} text @param {(Node|string)[]} atoms those left, in their order @returns {(Node|string)[]} */
function emphasised(text, atoms) {
  const found = EMPHASIS.exec(text);
  if (!found)
    return text.split(STAND_IN).flatMap((part, i) => [...(i ? [atoms.shift() ?? ""] : []), ...(part ? [part] : [])]);
  const [whole, strong, emphasis] = found;
  // One after the other: each takes its atoms from those that the one before has left.
  const before = emphasised(text.slice(0, found.index), atoms);
  const node = el(strong ? "strong" : "em", {}, ...emphasised(strong ?? emphasis, atoms));
  return [...before, node, ...emphasised(text.slice(found.index + whole.length), atoms)];
}

/** An author's text where no element can stand: in an option of a list, in a button's name. @param {string} text @returns {string} */
export const plain = (text) => {
  const span = el("span", {}, ...markup(text));
  for (const math of span.querySelectorAll("math")) math.replaceWith(math.getAttribute("aria-label"));
  return span.textContent;
};

/** An author's text as something that is spoken of. @param {string} text @returns {HTMLElement} */
export const quoted = (text) => el("span", {}, "“", ...markup(text), "”");

/**
 * What a mistake gives back: the name of the wrong idea behind it, and why it is wrong.
 * @param {{misconception: string, feedback: string}} made
 * @param {...(Node|string)} subject   which mistake it is, where an answer can hold several
 * @returns {(Node|string)[]}
 */
export const mistake = ({ misconception, feedback }, ...subject) => [
  ...(subject.length ? [...subject, " – a common mix-up: "] : ["A common mix-up: "]),
  el("em", {}, ...markup(misconception)), ". ", ...markup(feedback)];
