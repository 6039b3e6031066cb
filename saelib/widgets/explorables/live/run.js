// A text on its way through a GPT, with all that is kept of it, so that only what is new has to be computed.
import { Push } from "./changes.js";
import { CHUNK, largest, logSum } from "./gpt_engine.js";

/** How many of the likeliest next tokens a reading names. */
export const LIKELIEST = 10;

/**
 * The text of one reading, plain or under a change. It has a stage for each block and one for the guesses of the next tokens; up to
 * which token each stage has come is kept, and never more than the stage before it has.
 *
 * All that takes time is a generator, which stops after every few milliseconds' work for what may come in between.
 */
export class Run {
  /** @param {import("./gpt_engine.js").GptEngine} gpt @param {import("./sae_engine.js").SaeEngine|null} sae */
  constructor(gpt, sae) {
    const { n_layers, d_model, context } = gpt.settings;
    this.gpt = gpt;
    this.sae = sae;
    this.ids = new Int32Array(context);
    this.n = 0;
    this.push = new Push(null, gpt.settings, sae);
    const each = (/** @type {number} */ size) => Array.from({ length: n_layers }, () => new Float32Array(size));
    this.keys = each(context * gpt.keyStep);
    this.values = each(d_model * gpt.valueStep);
    /** The stream after each block, as the block left it. */
    this.streams = each(context * d_model);
    /** @type {import("./sae_engine.js").Code[]} */
    this.codes = [];
    this.bits = new Float32Array(context).fill(NaN);
    this.top = new Int32Array(LIKELIEST * context);
    this.share = new Float32Array(LIKELIEST * context);
    /** How many tokens each stage has seen. */
    this.reached = new Array(n_layers + 1).fill(0);
    /** The stage of the guesses. */
    this.last = n_layers;
    /** The last stage that no push affects. */
    this.below = sae ? sae.block : n_layers;
    this.rows = new Float32Array(CHUNK * d_model);
  }

  /** Take up another text, and forget of the old one what is not the same. @param {ArrayLike<number>} ids */
  setIds(ids) {
    let same = 0;
    while (same < ids.length && same < this.n && ids[same] === this.ids[same]) same++;
    this.ids.set(ids);
    this.n = ids.length;
    // The guess at the last token that is the same is about the first one that is not.
    this.forget(0, same);
    this.forget(this.last, ids.length > same ? Math.max(0, same - 1) : same);
  }

  /** One token more. @param {number} id */
  append(id) {
    this.ids[this.n++] = id;
  }

  /** Forget what stages from `stage` on know of tokens from `kept` on. @param {number} stage @param {number} kept */
  forget(stage, kept) {
    for (; stage <= this.last; stage++) this.reached[stage] = Math.min(this.reached[stage], kept);
  }

  /** Put it under another change. @param {import("./changes.js").Change|null} change */
  setChange(change) {
    const push = new Push(change, this.gpt.settings, this.sae);
    if (push.key === this.push.key) return;
    this.forget(push.headsKey === this.push.headsKey ? this.below + 1 : 0, 0);
    this.push = push;
  }

  /**
   * Take from another run what is the same there: it is under the same change, or under none.
   * @param {Run} other
   */
  borrow(other) {
    let n = 0;
    while (n < this.n && n < other.n && this.ids[n] === other.ids[n]) n++;
    const alike = this.push.key === other.push.key && this.push.beside === other.push.beside;
    if (!alike && (other.push.any || other.push.off.size)) return;
    let most = n;
    for (let stage = 0; stage <= this.last; stage++) {
      if (!alike && stage >= this.push.firstOff) return;
      if (!alike && stage === this.below + 1) most = this.firstPushed(most);
      if (stage === this.last && this.n > n) most = Math.min(most, n - 1);
      most = Math.min(most, other.reached[stage]);
      if (most > this.reached[stage]) this.copy(other, stage, this.reached[stage], most);
      most = Math.min(most, this.reached[stage]);
    }
  }

  /** The first token that is pushed, of so many. @param {number} n */
  firstPushed(n) {
    if (!this.push.any) return n;
    let place = 0;
    while (place < n && !this.push.own(place, this.codes[place])) place++;
    return place;
  }

  /** @param {Run} other @param {number} stage @param {number} from @param {number} to tokens */
  copy(other, stage, from, to) {
    const { keyStep, valueStep, settings } = this.gpt, d = settings.d_model;
    const rows = (/** @type {any} */ into, /** @type {any} */ source, /** @type {number} */ wide) =>
      into.set(source.subarray(from * wide, to * wide), from * wide);
    if (stage === this.last) {
      rows(this.top, other.top, LIKELIEST);
      rows(this.share, other.share, LIKELIEST);
      for (let i = from; i < to && i + 1 < this.n; i++) this.bits[i + 1] = other.bits[i + 1];
    } else {
      rows(this.keys[stage], other.keys[stage], keyStep);
      rows(this.streams[stage], other.streams[stage], d);
      const values = this.values[stage], source = other.values[stage];
      for (let i = 0; i < d; i++) values.set(source.subarray(i * valueStep + from, i * valueStep + to), i * valueStep + from);
      if (this.sae && stage === this.below) for (let i = from; i < to; i++) this.codes[i] = other.codes[i];
    }
    this.reached[stage] = to;
  }

  /**
   * Bring all stages to the end of the text, or all but the guesses.
   * @param {{ base?: Run, guesses?: boolean, settled?: boolean }} [options] base, a plain run of the same text, to take from; settled,
   *   whether a control keeps its direction
   */
  *advance({ base, guesses = true, settled = false } = {}) {
    const end = guesses ? this.last : this.last - 1;
    if (base) this.borrow(base);
    yield* this.through(0, Math.min(this.below, end));
    if (!settled && this.push.settle(this.codes, this.n)) {
      this.forget(this.below + 1, 0);
      if (base) this.borrow(base);
    }
    yield* this.through(this.below + 1, end);
  }

  /** @param {number} first @param {number} last stages */
  *through(first, last) {
    while (first <= last && this.reached[last] < this.n) {
      const end = Math.min(this.n, this.reached[last] + CHUNK);
      for (let stage = first; stage <= last; stage++) {
        if (this.reached[stage] >= end) continue;
        this.step(stage, end);
        yield;
      }
    }
  }

  /** Bring one stage to token `end`. @param {number} stage @param {number} end */
  step(stage, end) {
    const { gpt, sae, rows } = this, first = this.reached[stage], n = end - first, d = gpt.settings.d_model;
    this.enter(stage, first, n, rows);
    if (stage === this.last) {
      this.guess(rows, first, n);
    } else {
      gpt.block(stage, rows, first, n, this.keys[stage], this.values[stage], this.push.off.get(stage));
      this.streams[stage].set(rows.subarray(0, n * d), first * d);
      if (sae && stage === this.below) sae.encode(rows, n).forEach((code, i) => (this.codes[first + i] = code));
    }
    this.reached[stage] = end;
  }

  /** The stream of n tokens as a stage finds it, with what is pushed. @param {number} stage @param {number} first @param {number} n @param {Float32Array} rows */
  enter(stage, first, n, rows) {
    const d = this.gpt.settings.d_model;
    if (stage) rows.set(this.streams[stage - 1].subarray(first * d, (first + n) * d));
    for (let t = 0; t < n; t++) {
      if (!stage) this.gpt.embed(this.ids[first + t], rows.subarray(t * d, (t + 1) * d));
      const vector = stage === this.below + 1 ? this.push.vector(first + t, this.codes[first + t]) : null;
      if (vector) for (let i = 0; i < d; i++) rows[t * d + i] += vector[i];
    }
  }

  /** The likeliest next tokens, and the bits that those that came took. @param {Float32Array} rows @param {number} first @param {number} n */
  guess(rows, first, n) {
    const { n_tokens } = this.gpt.settings, all = this.gpt.logits(rows, n);
    for (let t = 0; t < n; t++) {
      const logits = all.subarray(t * n_tokens, (t + 1) * n_tokens), total = logSum(logits);
      const place = LIKELIEST * (first + t), top = this.top.subarray(place, place + LIKELIEST);
      largest(logits, top);
      top.forEach((id, i) => (this.share[place + i] = id < 0 ? 0 : Math.exp(logits[id] - total)));
      if (first + t + 1 < this.n) this.bits[first + t + 1] = (total - logits[this.ids[first + t + 1]]) / Math.LN2;
    }
  }

  /** What a reading says of it, in arrays of its own. */
  report() {
    const { n } = this, codes = this.sae ? this.codes.slice(0, n) : [];
    const start = new Int32Array(n + 1);
    codes.forEach(({ number }, i) => (start[i + 1] = start[i] + number.length));
    const number = new Int32Array(start[n]), strength = new Float32Array(start[n]);
    codes.forEach((code, i) => {
      number.set(code.number, start[i]);
      strength.set(code.strength, start[i]);
    });
    return {
      bits: this.bits.slice(0, n),
      top: this.top.slice(0, LIKELIEST * n),
      share: this.share.slice(0, LIKELIEST * n),
      features: { start, number, strength },
    };
  }

  /** The stream of one token as a stage finds it. @param {number} place @param {number} stage */
  row(place, stage) {
    const row = new Float32Array(this.gpt.settings.d_model);
    this.enter(stage, place, 1, row);
    return row;
  }

  /** How a token attends, and what its stream would guess before each block and after the last. @param {number} place */
  look(place) {
    const { n_layers, n_heads } = this.gpt.settings, few = 5;
    const rows = new Float32Array(n_layers * n_heads * (place + 1));
    const lens = { top: new Int32Array(few * (n_layers + 1)), share: new Float32Array(few * (n_layers + 1)) };
    for (let stage = 0; stage <= this.last; stage++) {
      const row = this.row(place, stage);
      if (stage < this.last) rows.set(this.gpt.looks(stage, row, place, this.keys[stage]), stage * n_heads * (place + 1));
      const logits = this.gpt.logits(row, 1), total = logSum(logits), top = lens.top.subarray(few * stage, few * (stage + 1));
      largest(logits, top);
      top.forEach((id, i) => (lens.share[few * stage + i] = id < 0 ? 0 : Math.exp(logits[id] - total)));
    }
    return { rows, lens };
  }
}
