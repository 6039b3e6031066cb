// Answers are kept as the texts that were chosen. When an author mends a typo in one of them, the answer is still that answer.

import { plain } from "./markup.js";

/** A text as it is compared: white space, capitals, punctuation and markup may change. @param {string} text */
const bare = (text) => plain(text).normalize("NFKC").toLowerCase().replace(/[\s.,;:!?'"“”‘’()–—…*`$]+/g, " ").trim();

/** How many letters have to change to make one text of the other (Levenshtein's distance). @param {string} a @param {string} b */
function lettersApart(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(next[j - 1] + 1, row[j] + 1, row[j - 1] + Number(a[i - 1] !== b[j - 1])));
    row = next;
  }
  return row[b.length];
}

/** What no mending of a typo changes: the numbers in a text, and how often it says no. @param {string} text */
const weight = (text) => JSON.stringify([text.match(/[-+−]?\d+/g), text.match(/\b(not?|never|none|nothing|nor|without|t)\b/g)?.length]);

/**
 * The offered text that a kept one has become: it itself, or else the one that is at most two letters away from it, and far
 * nearer than any other. @param {string} kept @param {string[]} offered @returns {string|undefined}
 */
function becomeText(kept, offered) {
  if (offered.includes(kept)) return kept;
  const text = bare(kept);
  const [first, second] = offered.map((each) => ({ each, far: lettersApart(text, bare(each)) })).sort((a, b) => a.far - b.far);
  if (!first || first.far > Math.min(2, text.length / 8) || (second && second.far <= 2 * first.far)) return undefined;
  return weight(text) === weight(bare(first.each)) ? first.each : undefined;
}

/**
 * A kept answer in the texts that are offered now, or undefined if one of its texts is none of them.
 * @param {any} answer @param {string[]} offered @returns {any}
 */
export function mended(answer, offered) {
  if (typeof answer === "string") return becomeText(answer, offered);
  if (typeof answer !== "object" || answer === null) return undefined;
  const parts = Object.entries(answer).map(([name, part]) => [Array.isArray(answer) ? name : becomeText(name, offered), mended(part, offered)]);
  if (parts.some((pair) => pair.includes(undefined))) return undefined;
  return Array.isArray(answer) ? parts.map(([, part]) => part) : Object.fromEntries(parts);
}
