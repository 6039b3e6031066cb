/**
 * @typedef {{tokens: Uint16Array, levels: Uint8Array, focus: number, quantile: string, source: string|null, begin: number}} Example
 *   `tokens`: places among all tokens; `levels`: activations, in 255ths of the feature's strongest; `begin`: the place of its first
 *   token in the text of all examples
 * @typedef {{feature: number, label: string|null, f1: number, precision: number, recall: number, auroc: number, threshold: number,
 *   density: number, maximum: number, histogram: number[], promoted: [number, number][], suppressed: [number, number][],
 *   effect: null|[number, number, [number, number, number][]], examples: Example[], holds: number|null,
 *   interval: null|[number, number], similar: number[][]}} Card
 *   `similar`: twice places of cards, each followed by hundredths: by direction, and by being on together
 * @typedef {{count: number, on: {card: number, share: number}[]}} There what is on at a token, each as a share of its own strongest,
 *   and how many are in all
 */

const STEPS = 15; // as in feature_browser.py

/** Numbers of so many bytes each, wherever in memory they begin. @param {DataView} view */
function reader(view) {
  let at = 0;
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return (/** @type {number} */ size, /** @type {number} */ count) => {
    const part = bytes.slice(at, (at += size * count));
    return size === 1 ? part : new (size === 2 ? Uint16Array : Uint32Array)(part.buffer);
  };
}

/**
 * The cards as feature_browser.py packed them, and what it says of single tokens.
 * @param {DataView} table @param {DataView} texts @param {DataView} [there]
 * @returns {{tokens: string[], cards: Card[], at: (place: number) => There|null}}
 */
export function unpack(table, texts, there) {
  const { tokens, quantiles, sources, length, begins, most, size, cards: columns } = JSON.parse(new TextDecoder().decode(table));
  const next = reader(texts);
  const text = next(2, length);
  const levels = next(1, texts.byteLength - 2 * length);
  let [at, number] = [0, 0];
  const cards = columns.feature.map((/** @type {number} */ _, /** @type {number} */ i) => {
    const card = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column[i]]));
    const examples = [];
    for (let j = 0; j < card.examples.length; j += 4) {
      const [count, focus, quantile, source] = card.examples.slice(j, j + 4);
      const begin = begins[number++];
      examples.push({
        tokens: text.subarray(begin, begin + count), levels: levels.subarray(at, (at += count)), focus,
        quantile: quantiles[quantile], source: sources[source], begin,
      });
    }
    return { ...card, examples };
  });
  if (!most || !there) return { tokens, cards, at: () => null };
  const on = reader(there);
  const known = on(1, Math.ceil(length / 8));
  const rows = Int32Array.from({ length }, (_, place) => (known[place >> 3] >> (place & 7)) & 1);
  let count = 0;
  rows.forEach((there, place) => { rows[place] = there ? count++ : -1; });
  const [counts, entries] = [on(1, count), on(size, count * most)];
  return {
    tokens, cards,
    at(place) {
      const row = rows[place] ?? -1;
      if (row < 0) return null;
      const named = Array.from(entries.subarray(row * most, (row + 1) * most), (entry) => ({ card: Math.floor(entry / STEPS), share: ((entry % STEPS) + 1) / STEPS }));
      return { count: counts[row], on: named.filter(({ card }) => card < cards.length) };
    },
  };
}
