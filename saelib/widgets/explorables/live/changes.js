// What is changed inside a GPT: features turned up or down, others put in their place, heads switched off.
import { direction, uniform } from "./random.js";
import { strengthOf } from "./sae_engine.js";

/**
 * @typedef {{ kind: "lot" | "beside", seed: number }} Control
 * @typedef {{ gains: [number, number][], puts: [number, number][], at: number | null, heads: [number, number][], control: Control | null }} Change
 */

/** @param {unknown} value @param {number} below */
const isIndex = (value, below) => Number.isInteger(value) && /** @type {number} */ (value) >= 0 && /** @type {number} */ (value) < below;

/**
 * Raises an Error, which says what was expected, for a change that these can't be put under.
 * @param {Change} change @param {import("./gpt_engine.js").Sizes} sizes @param {import("./sae_engine.js").SaeEngine|null} sae
 */
function checkChange({ gains, puts, at, heads, control }, { n_layers, n_heads, context }, sae) {
  for (const [name, pairs] of Object.entries({ gains, puts })) {
    for (const [feature, number] of pairs) {
      if (!sae) throw new Error(`change has ${name}; expected none, for no sparse autoencoder was loaded.`);
      if (!isIndex(feature, sae.features)) throw new Error(`${name} has feature ${feature}; expected a whole number from 0 to ${sae.features - 1}.`);
      if (!Number.isFinite(number)) throw new Error(`${name} has ${number} for feature ${feature}; expected a finite number.`);
    }
  }
  if (at !== null && !isIndex(at, context)) throw new Error(`at is ${at}; expected null or a place from 0 to ${context - 1}.`);
  for (const [block, head] of heads) {
    if (!isIndex(block, n_layers) || !isIndex(head, n_heads)) {
      throw new Error(`heads has [${block}, ${head}]; expected a block from 0 to ${n_layers - 1} and a head from 0 to ${n_heads - 1}.`);
    }
  }
  if (control && (!["lot", "beside"].includes(control.kind) || !Number.isInteger(control.seed))) {
    throw new Error(`control is ${JSON.stringify(control)}; expected a kind, "lot" or "beside", and a seed, a whole number.`);
  }
}

/** A change as it is carried out: which vector is added where. */
export class Push {
  /**
   * @param {Change|null} change null for none
   * @param {import("./gpt_engine.js").Sizes} sizes
   * @param {import("./sae_engine.js").SaeEngine|null} sae
   */
  constructor(change, sizes, sae) {
    const { gains = [], puts = [], at = null, heads = [], control = null } = change ?? {};
    checkChange({ gains, puts, at, heads, control }, sizes, sae);
    this.sae = sae;
    this.gains = gains;
    this.puts = puts;
    this.at = at;
    this.control = gains.length || puts.length ? control : null;
    /** The heads that are off in each block that has any. @type {Map<number, Set<number>>} */
    this.off = new Map();
    for (const [block, head] of heads) this.off.set(block, (this.off.get(block) ?? new Set()).add(head));
    /** The first block that a head is off in. */
    this.firstOff = Math.min(...this.off.keys());
    this.headsKey = JSON.stringify([...heads].sort((a, b) => a[0] - b[0] || a[1] - b[1]));
    /** Two changes with one key are the same, but for the direction of a control that depends on the text. */
    this.key = JSON.stringify([gains, puts, gains.length || puts.length ? at : null, this.headsKey, this.control]);
    /** The control's direction, of length 1. @type {Float64Array|null} */
    this.way = sae && this.control?.kind === "lot" ? direction(this.control.seed, sae.d) : null;
    /** Of a control "beside": the feature that it is along, and the sign. */
    this.beside = "";
  }

  /** Whether the stream is pushed anywhere. */
  get any() {
    return this.gains.length > 0 || this.puts.length > 0;
  }

  /**
   * What the change itself adds to the stream of a token, before a control stands in for it: null for nothing.
   * @param {number} place @param {import("./sae_engine.js").Code} code what is on there
   */
  own(place, code) {
    const { sae, gains, puts, at } = this;
    if (!sae || !this.any || (at !== null && at !== place)) return null;
    /** @type {[number, number][]} */
    const terms = gains.map(([feature, gain]) => [feature, (gain - 1) * strengthOf(code, feature)]);
    if (at !== null || !gains.length || gains.some(([feature]) => strengthOf(code, feature))) terms.push(...puts);
    const vector = new Float64Array(sae.d);
    let any = false;
    for (const [feature, amount] of terms) {
      if (!amount) continue;
      any = true;
      const row = sae.row(feature);
      for (let i = 0; i < sae.d; i++) vector[i] += amount * row[i];
    }
    return any ? vector : null;
  }

  /** What is added to the stream of a token: null for nothing. @param {number} place @param {import("./sae_engine.js").Code} code */
  vector(place, code) {
    const vector = this.own(place, code);
    if (!vector || !this.control) return vector;
    if (!this.way) return null; // no other feature is on anywhere
    const length = Math.hypot(...vector);
    return this.way.map((value) => length * value);
  }

  /**
   * Choose the direction of a control "beside", by what is on in a text. Whether it is another one than before.
   * @param {import("./sae_engine.js").Code[]} codes of the text, the mark before it included @param {number} n how many
   */
  settle(codes, n) {
    const { sae, control } = this;
    if (!sae || control?.kind !== "beside") return false;
    const own = new Set([...this.gains, ...this.puts].map(([feature]) => feature));
    // Each feature has a lot of its own, and of those in the text the smallest one wins: so it stays the same one as the text grows.
    let chosen = -1, smallest = 1, along = 0;
    for (let place = 0; place < n; place++) {
      if (place || n === 1) {
        for (const feature of codes[place].number) {
          const lot = uniform(control.seed, 2, feature);
          if (lot < smallest && !own.has(feature)) [chosen, smallest] = [feature, lot];
        }
      }
      const vector = this.own(place, codes[place]);
      if (vector) for (const feature of own) sae.row(feature).forEach((value, i) => (along += value * /** @type {Float64Array} */ (vector)[i]));
    }
    const sign = along < 0 ? -1 : 1, before = this.beside;
    this.beside = `${chosen} ${sign}`;
    if (before === this.beside) return false;
    const row = chosen < 0 ? null : Float64Array.from(sae.row(chosen));
    const length = row ? Math.hypot(...row) : 1;
    this.way = row && row.map((value) => (sign * value) / length);
    return true;
  }
}
