// The toy model of Elhage et al. (2022): n features go through two numbers and come back, x_hat = relu(W^T W x + b).
// Only numbers here, nothing of the page: the drawing is superposition.js's.
import { randomFrom } from "../common.js";

/**
 * W holds two rows of n: column i is the arrow of feature i. `first` and `second` are Adam's means of the gradient and of
 * its square, for W and then b; `random` gives the examples.
 * @typedef {{W: Float64Array, b: Float64Array, first: Float64Array, second: Float64Array, steps: number, random: () => number}} Toy
 * @typedef {{x: Float64Array, share: Float64Array}} Examples x: n numbers an example; share: how much an example counts
 */

/** How it is trained: Adam, `batch` examples a step, a rate that falls from `from` to `to` along half a cosine. */
export const RECIPE = { steps: 1500, batch: 128, from: 0.03, to: 0.0005 };
/** From this length on, a feature counts as kept. */
export const KEPT = 0.5;

/**
 * Short arrows in random directions, and no bias.
 * @param {number} seed @param {number} n
 * @returns {Toy}
 */
export function startToy(seed, n) {
  // Neighbouring seeds are far apart as states.
  const random = randomFrom(Math.imul(seed, 0x9e3779b1));
  const bell = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return {
    W: Float64Array.from({ length: 2 * n }, () => 0.3 * bell()),
    b: new Float64Array(n),
    first: new Float64Array(3 * n), second: new Float64Array(3 * n), steps: 0, random,
  };
}

/**
 * Examples of n features that are each 0 with a probability of `sparsity`, and else anything from 0 to 1.
 * Empty examples are all alike, and the most common where features are rare. So one stands for all of them, with the share
 * that they have, and the others are drawn from those with a feature in them: the same mean, of less noise.
 * @param {() => number} random @param {number} count @param {number} n @param {number} sparsity
 * @returns {Examples}
 */
export function drawExamples(random, count, n, sparsity) {
  const x = new Float64Array(count * n);
  const empty = sparsity ** n;
  const share = new Float64Array(count).fill((1 - empty) / (count - 1));
  share[0] = empty;
  for (let row = 1; row < count; row++) {
    // The first feature that is there, given that there is one; those after it are free.
    const found = sparsity === 0 ? 0 : Math.min(n - 1, Math.floor(Math.log(1 - random() * (1 - empty)) / Math.log(sparsity)));
    x[row * n + found] = random();
    for (let i = found + 1; i < n; i++) if (random() >= sparsity) x[row * n + i] = random();
  }
  return { x, share };
}

/**
 * The loss, the mean over the examples of sum_i importance_i (x_i - x_hat_i)^2, and its slopes in W and then b.
 * @param {{W: Float64Array, b: Float64Array}} toy @param {Examples} examples @param {ArrayLike<number>} importance
 * @returns {{loss: number, slope: Float64Array}}
 */
export function slopes({ W, b }, { x, share }, importance) {
  const n = b.length;
  const slope = new Float64Array(3 * n);
  let loss = 0;
  for (let row = 0; row < share.length; row++) {
    const at = row * n;
    // Down to two numbers, and back: h = W x, z = W^T h + b, x_hat = relu(z).
    let [h0, h1, toH0, toH1] = [0, 0, 0, 0];
    for (let i = 0; i < n; i++) { h0 += W[i] * x[at + i]; h1 += W[n + i] * x[at + i]; }
    for (let i = 0; i < n; i++) {
      const z = W[i] * h0 + W[n + i] * h1 + b[i];
      const error = Math.max(0, z) - x[at + i];
      loss += share[row] * importance[i] * error * error;
      if (z <= 0) continue;
      const toZ = 2 * share[row] * importance[i] * error;
      slope[2 * n + i] += toZ;
      // W is used twice: on the way back here, and on the way down below.
      slope[i] += toZ * h0;
      slope[n + i] += toZ * h1;
      toH0 += toZ * W[i];
      toH1 += toZ * W[n + i];
    }
    for (let i = 0; i < n; i++) { slope[i] += toH0 * x[at + i]; slope[n + i] += toH1 * x[at + i]; }
  }
  return { loss, slope };
}

/** One step of Adam (Kingma and Ba, 2015). @param {Toy} toy @param {Float64Array} slope @param {number} rate */
export function adamStep(toy, slope, rate) {
  const { W, b, first, second } = toy;
  toy.steps++;
  for (let i = 0; i < slope.length; i++) {
    first[i] += 0.1 * (slope[i] - first[i]);
    second[i] += 0.01 * (slope[i] ** 2 - second[i]);
    const step = (rate * first[i]) / (1 - 0.9 ** toy.steps) / (Math.sqrt(second[i] / (1 - 0.99 ** toy.steps)) + 1e-10);
    if (i < W.length) W[i] -= step;
    else b[i - W.length] -= step;
  }
}

/**
 * So many steps of training.
 * @param {Toy} toy @param {number} steps @param {{sparsity: number, importance: ArrayLike<number>, settle?: boolean}} world
 *   `settle`: whether the rate falls along RECIPE, or stays where that begins
 * @returns {number} the mean error over these steps, as a share of what answering with the mean would give
 */
export function trainToy(toy, steps, { sparsity, importance, settle = true }) {
  let total = 0;
  for (let step = 0; step < steps; step++) {
    const { loss, slope } = slopes(toy, drawExamples(toy.random, RECIPE.batch, toy.b.length, sparsity), importance);
    const way = settle ? Math.min(1, toy.steps / RECIPE.steps) : 0;
    adamStep(toy, slope, RECIPE.to + (RECIPE.from - RECIPE.to) * 0.5 * (1 + Math.cos(Math.PI * way)));
    total += loss;
  }
  return total / steps / spread(sparsity, importance);
}

/** What always answering with the mean would lose. @param {number} sparsity @param {ArrayLike<number>} importance */
export const spread = (sparsity, importance) =>
  Array.from(importance).reduce((sum, weight) => sum + weight, 0) * ((1 - sparsity) / 3 - ((1 - sparsity) / 2) ** 2);

/**
 * The error on examples that are always the same ones, as a share of what answering with the mean would give.
 * @param {Toy} toy @param {{sparsity: number, importance: ArrayLike<number>}} world
 */
export const measureToy = (toy, { sparsity, importance }) =>
  slopes(toy, drawExamples(randomFrom(1), 4000, toy.b.length, sparsity), importance).loss / spread(sparsity, importance);

/**
 * Which features are kept, and the angles from each kept arrow to the next, in degrees, once around.
 * @param {Toy} toy
 * @returns {{lengths: number[], kept: number[], gaps: number[]}}
 */
export function shapeOf({ W, b }) {
  const lengths = Array.from(b, (_, i) => Math.hypot(W[i], W[b.length + i]));
  const kept = [...lengths.keys()].filter((i) => lengths[i] >= KEPT);
  const angles = kept.map((i) => (Math.atan2(W[b.length + i], W[i]) * 180) / Math.PI).sort((one, other) => one - other);
  const gaps = kept.length < 2 ? [] : angles.map((angle, i) => (i + 1 < angles.length ? angles[i + 1] - angle : angles[0] + 360 - angle));
  return { lengths, kept, gaps };
}
