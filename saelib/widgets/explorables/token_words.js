// How a token is shown, and said, where its blanks and line breaks count.

/**
 * A text with its white space made visible: ends of lines, tabs, and blanks that are more than the one before a word.
 * @param {string} text @param {string} [next] what follows: a line that holds nothing needs no room of its own
 */
export const visible = (text, next = "") => text
  .replace(/ +/g, (blanks, at) => (blanks.length > 1 || !text.trim() || [text[at - 1], text[at + 1]].includes("\n") ? "·".repeat(blanks.length) : blanks))
  .replace(/\t/g, "→\t").replace(/\r/g, "␍").replace(/[\0-\x08\x0b\x0c\x0e-\x1f]/g, (control) => String.fromCharCode(0x2400 + control.charCodeAt(0)))
  .replace(/\n/g, (_, at, all) => ((all[at + 1] ?? next[0] ?? "\n") === "\n" ? "⏎" : "⏎\n"));

/** A token among words. @param {string} token */
export const inWords = (token) => visible(token).replace(/·{5,}/g, (blanks) => ` ${blanks.length}×·`).replace(/\s+/g, " ").trim();

/** A token as a screen reader can say it. @param {string} token */
export const spoken = (token) => (token.trim() || token.replace(/\r?\n/g, " line break ").replace(/ {2,}/g, (blanks) => (blanks.trim() ? blanks : ` ${blanks.length} blanks `))
  .replace(/\t/g, " tab ").replace(/\s+/g, " ").trim() || "blank");
