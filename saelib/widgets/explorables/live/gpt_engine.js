// The forward pass of saelib.GPT, block by block, for a few tokens at a time.
import { Arena, padded } from "./products.js";

/** @typedef {{ n_tokens: number, d_model: number, n_layers: number, n_heads: number, context: number }} Sizes */

/** The most tokens at a time: few enough that a block of them takes a few milliseconds, and many enough to share what is fetched. */
export const CHUNK = 16;
/** What PyTorch's RMSNorm adds to a mean square: the smallest step of a 32-bit number at 1. */
const EPSILON = 2 ** -23;

/** P / Q in x^2, times x, is the error function to 1e-7, as in XLA and Eigen. */
const ERF_P = [0.00022905065861350646, 0.0034082910107109506, 0.050955695062380861, 0.18520832239976145, 1.128379143519084];
const ERF_Q = [-1.1791602954361697e-7, 2.3547966471313185e-5, 0.0010179625278914885, 0.014070470171167667, 0.11098505178285362, 0.49746925110067538, 1];
const ERF_END = 3.832506856900711;

/** The error function. @param {number} x */
export function erf(x) {
  x = x > ERF_END ? ERF_END : x < -ERF_END ? -ERF_END : x;
  const y = x * x;
  const p = (((ERF_P[0] * y + ERF_P[1]) * y + ERF_P[2]) * y + ERF_P[3]) * y + ERF_P[4];
  const q = (((((ERF_Q[0] * y + ERF_Q[1]) * y + ERF_Q[2]) * y + ERF_Q[3]) * y + ERF_Q[4]) * y + ERF_Q[5]) * y + 1;
  return (x * p) / q;
}

/** What a GPT's file has to hold, with the shapes. @param {Sizes} sizes @returns {Record<string, number[]>} */
function expectedTensors({ n_tokens, d_model: d, n_layers }) {
  /** @type {Record<string, number[]>} */
  const shapes = { "embed.weight": [n_tokens, d], "norm.weight": [d] };
  for (let i = 0; i < n_layers; i++) {
    Object.assign(shapes, {
      [`blocks.${i}.norm_1.weight`]: [d],
      [`blocks.${i}.attention.read.weight`]: [3 * d, d],
      [`blocks.${i}.attention.write.weight`]: [d, d],
      [`blocks.${i}.norm_2.weight`]: [d],
      [`blocks.${i}.mlp.read.weight`]: [4 * d, d],
      [`blocks.${i}.mlp.read.bias`]: [4 * d],
      [`blocks.${i}.mlp.write.weight`]: [d, 4 * d],
      [`blocks.${i}.mlp.write.bias`]: [d],
    });
  }
  return shapes;
}

/**
 * Raises an Error where a file lacks a tensor, or holds it in another shape.
 * @param {string} what of which file @param {Map<string, import("./tensors.js").Tensor>} tensors @param {Record<string, number[]>} shapes
 */
export function expectShapes(what, tensors, shapes) {
  for (const [name, shape] of Object.entries(shapes)) {
    const got = tensors.get(name)?.shape;
    if (String(got) !== String(shape)) throw new Error(`${what} holds ${name} as ${got ? `[${got}]` : "nothing"}; expected [${shape}].`);
  }
}

/** How much room some tensors take, by name, their rows padded. @param {Record<string, number[]>} shapes */
export const roomFor = (shapes) =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, shape.slice(0, -1).reduce((a, b) => a * b, 1) * padded(shape[shape.length - 1])]));

export class GptEngine {
  /** @param {{ notes: Record<string, string>, tensors: Map<string, import("./tensors.js").Tensor> }} file */
  constructor({ notes, tensors }) {
    if (!notes.gpt) throw new Error("gpt holds no sizes of a GPT; expected what pack_gpt made.");
    /** @type {Sizes} */
    this.settings = JSON.parse(notes.gpt);
    const { n_tokens, d_model: d, n_layers, n_heads, context } = this.settings;
    const shapes = expectedTensors(this.settings);
    expectShapes("gpt", tensors, shapes);
    this.head = d / n_heads;
    /** How far keys of two tokens are apart, each head's padded; and how far two numbers' values are. */
    this.keyStep = n_heads * padded(this.head);
    this.valueStep = padded(context);
    this.d = padded(d);
    this.arena = new Arena({
      ...roomFor(shapes),
      zeros: Math.max(3 * d, n_tokens, context),
      x: CHUNK * this.d,
      wide: CHUNK * padded(4 * d),
      out: CHUNK * d,
      query: CHUNK * this.keyStep,
      keys: context * this.keyStep,
      values: d * this.valueStep,
      scores: CHUNK * this.valueStep,
      mixed: CHUNK * this.d,
      logits: CHUNK * n_tokens,
    });
    for (const name of Object.keys(shapes)) this.arena.fill(name, /** @type {any} */ (tensors.get(name)));
    this.names = Array.from({ length: n_layers }, (_, i) => `blocks.${i}`);
    // The angles in 32 bits at every step, as PyTorch has them, for all positions and half a head.
    const half = this.head / 2;
    const rate = Array.from({ length: half }, (_, i) => Math.fround(10_000 ** -Math.fround(half > 1 ? i / (half - 1) : 0)));
    this.cos = new Float32Array(context * half);
    this.sin = new Float32Array(context * half);
    for (let at = 0; at < context * half; at++) {
      const angle = Math.fround(Math.floor(at / half) * rate[at % half]);
      this.cos[at] = Math.cos(angle);
      this.sin[at] = Math.sin(angle);
    }
  }

  /** What a token looks like going in. @param {number} id @param {Float32Array} row where to put it */
  embed(id, row) {
    const at = this.arena.at["embed.weight"] + id * this.d;
    row.set(this.arena.floats.subarray(at, at + row.length));
  }

  /** y = x weight^T + bias, for n rows in the parts `x` and `y`. @param {string} x @param {number} n @param {string} name @param {string} y */
  linear(x, n, name, y) {
    const { at, multiply } = this.arena;
    const { d_model: d, n_tokens } = this.settings;
    const [rows, wide] =
      name === "embed" ? [n_tokens, d] : name.endsWith("attention.read") ? [3 * d, d] : name.endsWith("mlp.read") ? [4 * d, d] : [d, name.endsWith("mlp.write") ? 4 * d : d];
    const step = padded(wide);
    const yStep = name.endsWith("mlp.read") ? padded(rows) : rows;
    multiply.call(this.arena, at[x], step, n, at[`${name}.weight`], step, step, at[`${name}.bias`] ?? at.zeros, rows, at[y], yStep);
  }

  /** Normalised rows of a stream, in the part `x`. @param {Float32Array} stream @param {number} n @param {string} name */
  normalize(stream, n, name) {
    const { floats, at } = this.arena, d = this.settings.d_model, weight = at[`${name}.weight`];
    for (let t = 0; t < n; t++) {
      let squares = 0;
      for (let i = 0; i < d; i++) squares += stream[t * d + i] ** 2;
      const scale = 1 / Math.sqrt(squares / d + EPSILON);
      for (let i = 0, to = at.x + t * this.d; i < d; i++) floats[to + i] = stream[t * d + i] * scale * floats[weight + i];
    }
  }

  /** Add the part `out` to a stream. @param {Float32Array} stream @param {number} n */
  addOut(stream, n) {
    const { floats, at } = this.arena;
    for (let i = 0; i < n * this.settings.d_model; i++) stream[i] += floats[at.out + i];
  }

  /**
   * A block: changes the stream of some tokens in place, and keeps their keys and values.
   * @param {number} layer
   * @param {Float32Array} stream (n, d_model)
   * @param {number} first the place of the first token @param {number} n how many, at most CHUNK
   * @param {Float32Array} keys (context, keyStep), of all tokens so far; @param {Float32Array} values (d_model, valueStep)
   * @param {Set<number>|undefined} off heads whose output is zero
   */
  block(layer, stream, first, n, keys, values, off) {
    const { floats, at } = this.arena, { d_model: d } = this.settings, name = this.names[layer];
    this.normalize(stream, n, `${name}.norm_1`);
    this.linear("x", n, `${name}.attention.read`, "wide");
    for (let t = 0; t < n; t++) {
      this.turn(at.wide + 3 * d * t, first + t, floats, at.query + t * this.keyStep);
      this.turn(at.wide + 3 * d * t + d, first + t, keys, (first + t) * this.keyStep);
      for (let i = 0; i < d; i++) values[i * this.valueStep + first + t] = floats[at.wide + 3 * d * t + 2 * d + i];
    }
    this.attend(first, n, keys, values, off);
    this.linear("mixed", n, `${name}.attention.write`, "out");
    this.addOut(stream, n);
    this.normalize(stream, n, `${name}.norm_2`);
    this.linear("x", n, `${name}.mlp.read`, "wide");
    const wide = padded(4 * d);
    for (let t = 0; t < n; t++) {
      for (let i = at.wide + t * wide, end = i + 4 * d; i < end; i++) floats[i] *= 0.5 * (1 + erf(floats[i] * Math.SQRT1_2));
      floats.fill(0, at.wide + t * wide + 4 * d, at.wide + (t + 1) * wide);
    }
    this.linear("wide", n, `${name}.mlp.write`, "out");
    this.addOut(stream, n);
  }

  /**
   * Rotate the heads of a query or key, which begins at `from` in the arena, by the angles of its place.
   * @param {number} from @param {number} place @param {Float32Array} into @param {number} to
   */
  turn(from, place, into, to) {
    const { floats } = this.arena, half = this.head / 2;
    for (let h = 0; h < this.settings.n_heads; h++, from += this.head, to += padded(this.head)) {
      for (let i = 0; i < half; i++) {
        const left = floats[from + i], right = floats[from + half + i];
        const cos = this.cos[place * half + i], sin = this.sin[place * half + i];
        into[to + i] = left * cos - right * sin;
        into[to + half + i] = left * sin + right * cos;
      }
    }
  }

  /**
   * How much each head's scores of tokens, in the part `scores`, count, once they add up to 1.
   * @param {number} first @param {number} n
   */
  softmax(first, n) {
    const { floats, at } = this.arena, scale = 1 / Math.sqrt(this.head);
    for (let t = 0; t < n; t++) {
      const start = at.scores + t * this.valueStep, own = start + first + t;
      let most = -Infinity, sum = 0;
      for (let j = start; j <= own; j++) if (floats[j] > most) most = floats[j];
      for (let j = start; j <= own; j++) sum += floats[j] = Math.exp((floats[j] - most) * scale);
      for (let j = start; j <= own; j++) floats[j] /= sum;
      floats.fill(0, own + 1, start + padded(first + n)); // no token sees a later one
    }
  }

  /**
   * Attention, of the part `query` to `keys`, in the part `mixed`.
   * @param {number} first @param {number} n @param {Float32Array} keys @param {Float32Array} values @param {Set<number>} [off]
   */
  attend(first, n, keys, values, off) {
    const { arena } = this, { floats, at } = arena, { d_model: d, n_heads } = this.settings;
    const end = first + n, step = this.valueStep, wide = padded(end);
    floats.set(keys.subarray(0, end * this.keyStep), at.keys);
    for (let i = 0; i < d; i++) floats.set(values.subarray(i * step, i * step + wide), at.values + i * step);
    for (let h = 0; h < n_heads; h++) {
      if (off?.has(h)) {
        for (let t = 0; t < n; t++) floats.fill(0, at.mixed + t * this.d + h * this.head, at.mixed + t * this.d + (h + 1) * this.head);
        continue;
      }
      const key = padded(this.head);
      arena.multiply(at.query + h * key, this.keyStep, n, at.keys + h * key, this.keyStep, key, at.zeros, end, at.scores, step);
      this.softmax(first, n);
      arena.multiply(at.scores, step, n, at.values + h * this.head * step, step, wide, at.zeros, this.head, at.mixed + h * this.head, this.d);
    }
  }

  /**
   * How the last token of some attends in a block, with each of its heads: (n_heads, n).
   * @param {number} layer @param {Float32Array} row its stream before the block @param {number} place @param {Float32Array} keys
   */
  looks(layer, row, place, keys) {
    const { arena } = this, { floats, at } = arena, { n_heads } = this.settings, key = padded(this.head);
    this.normalize(row, 1, `${this.names[layer]}.norm_1`);
    this.linear("x", 1, `${this.names[layer]}.attention.read`, "wide");
    this.turn(at.wide, place, floats, at.query);
    floats.set(keys.subarray(0, (place + 1) * this.keyStep), at.keys);
    const rows = new Float32Array(n_heads * (place + 1));
    for (let h = 0; h < n_heads; h++) {
      arena.multiply(at.query + h * key, this.keyStep, 1, at.keys + h * key, this.keyStep, key, at.zeros, place + 1, at.scores, this.valueStep);
      this.softmax(place, 1);
      rows.set(floats.subarray(at.scores, at.scores + place + 1), h * (place + 1));
    }
    return rows;
  }

  /**
   * The logits of the token after each of n, from the stream after the last block: (n, n_tokens), good until the next call.
   * @param {Float32Array} stream @param {number} n
   */
  logits(stream, n) {
    const { arena } = this;
    this.normalize(stream, n, "norm");
    this.linear("x", n, "embed", "logits");
    return arena.floats.subarray(arena.at.logits, arena.at.logits + n * this.settings.n_tokens);
  }
}

/** The logarithm of the sum of the exponentials. @param {Float32Array} logits */
export function logSum(logits) {
  let most = -Infinity, sum = 0;
  for (let i = 0; i < logits.length; i++) if (logits[i] > most) most = logits[i];
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i] - most);
  return most + Math.log(sum);
}

/**
 * The largest of some numbers, largest first: their places, -1 where there are not so many.
 * @param {Float32Array} values @param {Int32Array} top
 */
export function largest(values, top) {
  let kept = 0, least = -Infinity;
  for (let i = 0; i < values.length; i++) {
    if (kept === top.length && values[i] <= least) continue;
    let at = kept < top.length ? kept++ : kept - 1;
    for (; at > 0 && values[top[at - 1]] < values[i]; at--) top[at] = top[at - 1];
    top[at] = i;
    least = values[top[kept - 1]];
  }
  top.fill(-1, kept);
}
