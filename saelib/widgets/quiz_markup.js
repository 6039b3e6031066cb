// What quizzes show: the little markup of their texts, and the signs of right and wrong.

import { el } from "./common.js";

/** The sign beside what is right, what is wrong, and what nothing is said of. @type {Record<string, string>} */
export const SIGNS = { right: "✓", wrong: "✗", "": "" };

const MARKS = /`([^`]+)`|\*\*(\S|\S.*?\S)\*\*|\*(\S|\S.*?\S)\*/;

/**
 * An author's text as nodes: `code`, *emphasis*, **strong**, and everything else as the text it is.
 * Elements are made one by one and nothing is parsed as HTML, so that no text can become anything else.
 * @param {string} text
 * @returns {(Node|string)[]}
 */
export function markup(text) {
  const found = MARKS.exec(text);
  if (!found) return text ? [text] : [];
  const [whole, code, strong, emphasis] = found;
  const node = code ? el("code", {}, code) : strong ? el("strong", {}, ...markup(strong)) : el("em", {}, ...markup(emphasis));
  return [...markup(text.slice(0, found.index)), node, ...markup(text.slice(found.index + whole.length))];
}
