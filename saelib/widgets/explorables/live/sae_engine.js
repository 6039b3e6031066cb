// A sparse autoencoder as it is used: what is on in a stream, and the direction that each feature stands for.
import { expectShapes, roomFor } from "./gpt_engine.js";
import { Arena, padded } from "./products.js";

/** @typedef {{ number: Int32Array, strength: Float32Array }} Code the features that are on, strongest first */

/** Tokens that are encoded at a time. */
const AT_ONCE = 16;

export class SaeEngine {
  /** @param {{ notes: Record<string, string>, tensors: Map<string, import("./tensors.js").Tensor> }} file */
  constructor({ notes, tensors }) {
    if (!notes.sae) throw new Error("sae holds no sizes of a sparse autoencoder; expected what pack_sae made.");
    const { d_in, d_sae, k, block } = JSON.parse(notes.sae);
    /** @type {number} */ this.d = d_in;
    /** @type {number} */ this.features = d_sae;
    /** @type {number} how many are on at most */ this.k = k;
    /** @type {number} which one's output it reads */ this.block = block;
    const shapes = { W_enc: [d_sae, d_in], b_enc: [d_sae], W_dec: [d_sae, d_in], b_dec: [d_in], threshold: [d_sae] };
    expectShapes("sae", tensors, shapes);
    const values = (/** @type {string} */ name) => /** @type {import("./tensors.js").Tensor} */ (tensors.get(name)).values;
    this.threshold = values("threshold");
    this.decoder = values("W_dec");
    this.center = values("b_dec");
    const { W_enc, b_enc } = shapes;
    this.arena = new Arena({ ...roomFor({ W_enc, b_enc }), x: AT_ONCE * padded(d_in), pre: AT_ONCE * d_sae });
    for (const name of ["W_enc", "b_enc"]) this.arena.fill(name, /** @type {any} */ (tensors.get(name)));
  }

  /** The direction of a feature: (d). @param {number} feature */
  row(feature) {
    return this.decoder.subarray(feature * this.d, (feature + 1) * this.d);
  }

  /** What is on in each row of a stream. @param {Float32Array} stream (n, d) @param {number} n @returns {Code[]} */
  encode(stream, n) {
    const { arena, d, features } = this, { floats, at } = arena, step = padded(d);
    /** @type {Code[]} */
    const codes = [];
    for (let first = 0; first < n; first += AT_ONCE) {
      const count = Math.min(AT_ONCE, n - first);
      for (let t = 0; t < count; t++) {
        for (let i = 0; i < d; i++) floats[at.x + t * step + i] = stream[(first + t) * d + i] - this.center[i];
      }
      arena.multiply(at.x, step, count, at.W_enc, step, step, at.b_enc, features, at.pre, features);
      for (let t = 0; t < count; t++) {
        const pre = floats.subarray(at.pre + t * features, at.pre + (t + 1) * features);
        const on = [];
        for (let f = 0; f < features; f++) if (pre[f] > this.threshold[f]) on.push(f);
        on.sort((a, b) => pre[b] - pre[a] || a - b);
        const number = Int32Array.from(on.slice(0, this.k));
        codes.push({ number, strength: Float32Array.from(number, (f) => pre[f]) });
      }
    }
    return codes;
  }
}

/** How strongly a feature is on. @param {Code} code @param {number} feature */
export function strengthOf({ number, strength }, feature) {
  const at = number.indexOf(feature);
  return at < 0 ? 0 : strength[at];
}
