// What is seen of a text and its guesses, as a picture to copy.

import { visible } from "../token_words.js";
import { percent } from "./guesses.js";

const WIDTH = 900, EDGE = 28, LINE = 25, SCALE = 2;

/**
 * @param {{title: string, tokens: {word: string, share: number}[], place: number, colour: string, lists: [string, [string, number][]][], foot: string, text: string, ground: string}} what
 *   `colour`, `text`, `ground`: colours of the shade, the letters and the paper
 * @returns {HTMLCanvasElement}
 */
export function picture({ title, tokens, place, colour, lists, foot, text, ground }) {
  const canvas = document.createElement("canvas");
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const mono = "15px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace", plain = "15px system-ui, sans-serif";
  /** Once to find how high it is, and once to draw. @param {boolean} draws */
  function run(draws) {
    let [x, y] = [EDGE, EDGE + 44];
    /** @param {string} words @param {number} left @param {number} top */
    const write = (words, left, top) => { if (draws) context.fillText(words, left, top); };
    context.fillStyle = text;
    context.font = `600 19px system-ui, sans-serif`;
    write(title, EDGE, EDGE + 16);
    context.font = mono;
    tokens.forEach(({ word, share }, i) => {
      const lines = (i === 0 && !word ? "▸" : visible(word, tokens[i + 1]?.word)).split("\n");
      lines.forEach((line, part) => {
        if (part) [x, y] = [EDGE, y + LINE];
        const wide = context.measureText(line).width;
        if (x + wide > WIDTH - EDGE && x > EDGE) [x, y] = [EDGE, y + LINE];
        if (draws && share >= 0) {
          context.globalAlpha = 0.1 + 0.6 * share;
          context.fillStyle = colour;
          context.fillRect(x, y - 17, wide, 22);
          context.globalAlpha = 1;
          context.fillStyle = text;
        }
        if (draws && i === place) {
          context.strokeStyle = text;
          context.strokeRect(x - 1, y - 18, wide + 2, 24);
        }
        write(line, x, y);
        x += wide;
      });
    });
    y += LINE + 20;
    const column = (WIDTH - 2 * EDGE) / Math.max(2, lists.length);
    lists.forEach(([name, pairs], i) => {
      const left = EDGE + i * column;
      context.font = `600 ${plain}`;
      write(name, left, y);
      context.font = mono;
      pairs.forEach(([token, share], row) => {
        const top = y + 26 + row * 24;
        if (draws) {
          context.globalAlpha = 0.3;
          context.fillStyle = colour;
          context.fillRect(left, top - 16, (column - 110) * share, 21);
          context.globalAlpha = 1;
          context.fillStyle = text;
        }
        write(visible(token), left + 4, top);
        write(percent(share), left + column - 100, top);
      });
    });
    y += 26 + 24 * Math.max(...lists.map(([, pairs]) => pairs.length)) + 12;
    context.font = plain;
    write(foot, EDGE, y);
    return y + EDGE;
  }
  const height = run(false);
  canvas.width = WIDTH * SCALE;
  canvas.height = height * SCALE;
  context.scale(SCALE, SCALE);
  context.fillStyle = ground;
  context.fillRect(0, 0, WIDTH, height);
  run(true);
  return canvas;
}

/**
 * Into the clipboard; where that is not allowed, into a file.
 * @param {HTMLCanvasElement} canvas @param {string} name @returns {Promise<string>} what became of it, in words
 */
export async function copyPicture(canvas, name) {
  const blob = await new Promise((/** @type {(blob: Blob|null) => void} */ resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) return "The picture could not be made.";
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": blob })]);
    return "Copied as a picture.";
  } catch {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: `${name}.png` });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    return `Saved as ${name}.png.`;
  }
}
