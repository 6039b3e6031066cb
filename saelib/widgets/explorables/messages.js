// Messages of two numbers that are decoded by straight lines, and what a turn of their plane does to them.

import { floats, squaredError } from "../common.js";

/** @typedef {[number, number]} Pair */

/** Two numbers after a turn of the plane to the left. @param {Iterable<number>} pair @param {number} degrees @returns {Pair} */
export function turned([first, second], degrees) {
  const [cos, sin] = [Math.cos((degrees * Math.PI) / 180), Math.sin((degrees * Math.PI) / 180)];
  return [cos * first - sin * second, sin * first + cos * second];
}

/** @param {{get: (name: string) => any}} model the state of a `TurnThePlane` */
export function readMessages(model) {
  const numbers = floats(model.get("numbers"));
  /** @type {number[]} */
  const labels = model.get("labels");
  // A mean, two bricks, and for each label a picture and two numbers.
  const side = (numbers.length - 2 * labels.length) / (3 + labels.length);
  let at = 0;
  const take = (/** @type {number} */ length) => numbers.subarray(at, (at += length));
  const [mean, first, second] = [take(side), take(side), take(side)];
  const pictures = labels.map(() => take(side));
  const codes = labels.map(() => take(2));
  const average = Array.from(mean, (_, i) => pictures.reduce((sum, picture) => sum + picture[i], 0) / pictures.length);
  const spread = pictures.reduce((sum, picture) => sum + squaredError(picture, average), 0);

  /** The bricks that draw what they drew, when all messages are turned. @param {number} angle @returns {[number[], number[]]} */
  function bricksAt(angle) {
    const pairs = Array.from(mean, (_, i) => turned([first[i], second[i]], angle));
    return [pairs.map((pair) => pair[0]), pairs.map((pair) => pair[1])];
  }
  /** @param {Pair} message @param {[number[], number[]]} bricks */
  const copyOf = (message, bricks) => Array.from(mean, (start, i) => start + message[0] * bricks[0][i] + message[1] * bricks[1][i]);
  return {
    labels, mean, pictures, codes, average, samples: /** @type {number[]} */ (model.get("samples")), bricksAt, copyOf,
    /** The number that is largest in a brick at any angle. */
    most: Math.max(...Array.from(mean, (_, i) => Math.hypot(first[i], second[i]))),
    /** The error of all copies, as a share of what answering with the average would give. @param {number} angle */
    errorAt(angle) {
      const bricks = bricksAt(angle);
      return pictures.reduce((sum, picture, n) => sum + squaredError(picture, copyOf(turned(codes[n], angle), bricks)), 0) / spread;
    },
    /** The sizes of a message's two numbers together, on average. @param {number} angle */
    sizesAt: (angle) => codes.reduce((sum, code) => turned(code, angle).reduce((all, value) => all + Math.abs(value), sum), 0) / codes.length,
  };
}
