// Byte-level BPE (Sennrich et al., 2016; Radford et al., 2019): the ids and places that saelib.data.tokenize gives.
// A text is cut into pieces, a piece is written in UTF-8, and of its bytes the pair that was learned first is merged, again and
// again. No DOM here: it runs in a worker.
//
// One thing can differ: what is a letter or a digit is as the browser's Unicode says here, and as that of the package
// `tokenizers` (16.0 in its version 0.23) there. Letters that only one of them knows may be cut into other pieces.

const [KIND_LETTER, KIND_NUMBER, KIND_SPACE, KIND_OTHER] = [1, 2, 3, 4];
const [APOSTROPHE, BLANK, REPLACEMENT] = [0x27, 0x20, 0xfffd];
/** Pieces of so many UTF-16 units are kept, and so many of them: words come again. (A longer one could keep its whole text in memory.) */
const KEPT_PIECE = 12;
const KEPT_PIECES = 20_000;

/** The kind of each code point that was met, and 0 for the others. */
const kindsMet = new Uint8Array(0x110000);

/** @param {number} point @returns {number} of what kind it is */
function kindOf(point) {
  return kindsMet[point] ||= findKind(String.fromCodePoint(point));
}

/** @param {string} letter @returns {number} */
function findKind(letter) {
  if (/\p{L}/u.test(letter)) return KIND_LETTER;
  if (/\p{N}/u.test(letter)) return KIND_NUMBER;
  // JavaScript's \s has U+FEFF too and lacks U+0085.
  return /\p{White_Space}/u.test(letter) ? KIND_SPACE : KIND_OTHER;
}

/**
 * Where the piece ends that begins at `begin`, cut as by
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 * By hand: the browser's own engine keeps a note for each letter of a run, and gives up when there are too many.
 * @param {string} text @param {number} begin @returns {number}
 */
function pieceEnd(text, begin) {
  const first = text.charCodeAt(begin);
  if (first === APOSTROPHE) {
    if (/^'[stmd]/.test(text.slice(begin, begin + 2))) return begin + 2;
    if (/^'(re|ve|ll)/.test(text.slice(begin, begin + 3))) return begin + 3;
  }
  // A single blank before a word belongs to it.
  const point = /** @type {number} */ (text.codePointAt(begin + 1));
  const start = first === BLANK && begin + 1 < text.length && kindOf(point) !== KIND_SPACE ? begin + 1 : begin;
  const kind = kindOf(/** @type {number} */ (text.codePointAt(start)));
  let end = start;
  while (end < text.length) {
    const next = /** @type {number} */ (text.codePointAt(end));
    if (kindOf(next) !== kind) break;
    end += next > 0xffff ? 2 : 1;
  }
  // The last space of several is left for what comes after them. (None is longer than a unit.)
  return kind === KIND_SPACE && end < text.length && end > begin + 1 ? end - 1 : end;
}

/**
 * How GPT-2 writes bytes as letters: those that can be seen stand for themselves, the others for letters from U+0100 on.
 * @returns {Map<string, number>} the byte for each letter
 */
function byteLetters() {
  const seen = (/** @type {number} */ byte) => (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
  const letters = new Map();
  let unseen = 0x100;
  for (let byte = 0; byte < 256; byte++) letters.set(String.fromCharCode(seen(byte) ? byte : unseen++), byte);
  return letters;
}

/** A heap of numbers, of which the smallest comes first. */
class LeastFirst {
  /** @type {number[]} */
  #items = [];

  /** @param {number} item */
  push(item) {
    const items = this.#items;
    let at = items.length;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (items[above] <= item) break;
      items[at] = items[above];
      at = above;
    }
    items[at] = item;
  }

  /** @returns {number | undefined} */
  pop() {
    const items = this.#items;
    const least = items[0];
    const last = /** @type {number} */ (items.pop());
    const size = items.length;
    for (let at = 0; at < size;) {
      let below = 2 * at + 1;
      if (below + 1 < size && items[below + 1] < items[below]) below++;
      if (below >= size || items[below] >= last) {
        items[at] = last;
        break;
      }
      items[at] = items[below];
      at = below;
    }
    return least;
  }
}

/** @typedef {{ids: number[], begins: number[], ends: number[]}} Encoded begins, ends: places in UTF-16 units */

export class Tokenizer {
  /** @type {Uint8Array[]} */
  #bytes;
  /** @type {number[]} the token of each byte */
  #ofByte;
  /** @type {Map<number, number>} the rank of a pair: left id * tokens + right id */
  #ranks = new Map();
  /** @type {number[]} the token that a merge gives, by its rank */
  #made;
  /** @type {Map<string, Encoded>} short pieces, with places from their beginnings */
  #met = new Map();

  /**
   * What saelib's pack_tokenizer packed: `vocab`, the tokens in byte letters by their ids; `merges`, pairs of ids, those that
   * were learned first in front; `mark`, the id of the token before a file.
   * @param {{vocab: string[], merges: [number, number][], mark: number}} packed
   */
  constructor({ vocab, merges, mark }) {
    const letters = byteLetters();
    const ids = new Map(vocab.map((token, id) => [token, id]));
    const known = (/** @type {string} */ token) => {
      const id = ids.get(token);
      if (id === undefined) throw new Error(`vocab has no token ${JSON.stringify(token)}; expected one for each byte and each merge`);
      return id;
    };
    if (!(mark in vocab)) throw new Error(`mark is ${mark}; expected the id of one of ${vocab.length} tokens`);
    this.mark = mark;
    const utf8 = new TextEncoder();
    // A token that is not all in byte letters, as an odd mark may be, stands for itself.
    this.#bytes = vocab.map((token) => {
      const bytes = [...token].map((letter) => letters.get(letter) ?? -1);
      return bytes.includes(-1) ? utf8.encode(token) : Uint8Array.from(bytes);
    });
    this.#ofByte = [...letters.keys()].map(known);
    this.#made = merges.map(([left, right]) => known(vocab[left] + vocab[right]));
    merges.forEach(([left, right], rank) => this.#ranks.set(left * vocab.length + right, rank));
  }

  /**
   * The tokens of a text, without the mark. Half of a surrogate pair is read as U+FFFD. A letter of several bytes may be in
   * several tokens, and each of them then has the whole of it between its places.
   * @param {string} text @param {number} [most] how many tokens to give at the most; of a long text, no more is read than that takes
   * @returns {Encoded}
   */
  encode(text, most = Infinity) {
    /** @type {Encoded} */
    const found = { ids: [], begins: [], ends: [] };
    for (let begin = 0; begin < text.length && found.ids.length < most;) {
      const end = pieceEnd(text, begin);
      const { ids, begins, ends } = this.#encodePiece(text.slice(begin, end));
      for (let i = 0; i < ids.length && found.ids.length < most; i++) {
        found.ids.push(ids[i]);
        found.begins.push(begin + begins[i]);
        found.ends.push(begin + ends[i]);
      }
      begin = end;
    }
    return found;
  }

  /** @param {string} piece @returns {Encoded} with places from its beginning */
  #encodePiece(piece) {
    const met = this.#met.get(piece);
    if (met) return met;
    const found = this.#merge(piece);
    if (piece.length <= KEPT_PIECE) {
      if (this.#met.size >= KEPT_PIECES) this.#met.clear();
      this.#met.set(piece, found);
    }
    return found;
  }

  /** @param {string} piece @returns {Encoded} */
  #merge(piece) {
    // Byte by byte: its token, and where its letter begins and ends.
    /** @type {Encoded} */
    const { ids, begins, ends } = { ids: [], begins: [], ends: [] };
    /** @param {number} byte @param {number} begin @param {number} end */
    const add = (byte, begin, end) => { ids.push(this.#ofByte[byte]); begins.push(begin); ends.push(end); };
    for (let begin = 0, end = 0; begin < piece.length; begin = end) {
      let point = /** @type {number} */ (piece.codePointAt(begin));
      end = begin + (point > 0xffff ? 2 : 1);
      if (point >= 0xd800 && point < 0xe000) point = REPLACEMENT;
      if (point < 0x80) add(point, begin, end);
      else {
        const more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
        add([0, 0xc0, 0xe0, 0xf0][more] | (point >> (6 * more)), begin, end);
        for (let i = more - 1; i >= 0; i--) add(0x80 | ((point >> (6 * i)) & 0x3f), begin, end);
      }
    }

    // A chain: the places before and after each that is left. What is merged into the one before it has the id -1.
    const count = ids.length;
    const after = Int32Array.from(ids, (_, i) => i + 1);
    const before = Int32Array.from(ids, (_, i) => i - 1);
    const waiting = new LeastFirst();
    // By rank, and by place where the ranks are equal, in one number.
    const offer = (/** @type {number} */ place) => {
      const rank = after[place] < count ? this.#rank(ids[place], ids[after[place]]) : undefined;
      if (rank !== undefined) waiting.push(rank * 2 ** 32 + place);
    };
    for (let place = 0; place < count; place++) offer(place);
    for (let least = waiting.pop(); least !== undefined; least = waiting.pop()) {
      const place = least % 2 ** 32;
      const made = this.#made[(least - place) / 2 ** 32];
      const right = after[place];
      if (ids[place] < 0 || right >= count) continue;
      // Since then, either of the two may have become part of another.
      const rank = this.#rank(ids[place], ids[right]);
      if (rank === undefined || this.#made[rank] !== made) continue;
      ids[place] = made;
      ids[right] = -1;
      ends[place] = ends[right];
      after[place] = after[right];
      if (after[place] < count) before[after[place]] = place;
      if (before[place] >= 0) offer(before[place]);
      offer(place);
    }
    /** @type {Encoded} */
    const found = { ids: [], begins: [], ends: [] };
    for (let place = 0; place < count; place = after[place]) {
      found.ids.push(ids[place]);
      found.begins.push(begins[place]);
      found.ends.push(ends[place]);
    }
    return found;
  }

  /** @param {number} left @param {number} right */
  #rank(left, right) {
    return this.#ranks.get(left * this.#bytes.length + right);
  }

  /** @returns {string[]} the text of each token, decoded alone: U+FFFD for what is no whole letter */
  pieces() {
    const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
    return this.#bytes.map((bytes) => utf8.decode(bytes));
  }

  /**
   * Text from tokens as they come, where a letter of several bytes may be in several tokens.
   * @returns {{push: (id: number) => string, end: () => string}} push: the letters that are now complete; end: U+FFFD for what is not
   */
  decoder() {
    const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
    return {
      push: (id) => {
        const bytes = this.#bytes[id];
        if (!bytes) throw new Error(`id is ${id}; expected that of one of ${this.#bytes.length} tokens`);
        return utf8.decode(bytes, { stream: true });
      },
      end: () => utf8.decode(),
    };
  }
}
