/**
 * @typedef {{tokens: number[], levels: Uint8Array, focus: number, quantile: string}} Example
 *   `tokens`: places among all tokens; `levels`: activations, in 255ths of the feature's strongest
 * @typedef {{feature: number, label: string|null, f1: number, precision: number, recall: number, auroc: number, threshold: number,
 *   density: number, maximum: number, histogram: number[], promoted: [number, number][], suppressed: [number, number][],
 *   effect: null|[number, number, [number, number, number][]], examples: Example[]}} Card
 */

/**
 * The cards as feature_browser.py packed them.
 * @param {DataView} table @param {DataView} texts @returns {{tokens: string[], cards: Card[]}}
 */
export function unpack(table, texts) {
  const { tokens, quantiles, cards: columns } = JSON.parse(new TextDecoder().decode(table));
  const bytes = new Uint8Array(texts.buffer, texts.byteOffset, texts.byteLength);
  const length = bytes.length / 3;
  let at = 0;
  const cards = columns.feature.map((/** @type {number} */ _, /** @type {number} */ i) => {
    const card = Object.fromEntries(Object.entries(columns).map(([name, column]) => [name, column[i]]));
    const examples = [];
    for (let j = 0; j < card.examples.length; j += 3) {
      const [count, focus, quantile] = card.examples.slice(j, j + 3);
      examples.push({
        tokens: Array.from({ length: count }, (_, k) => bytes[2 * (at + k)] + 256 * bytes[2 * (at + k) + 1]),
        levels: bytes.subarray(2 * length + at, 2 * length + at + count), focus, quantile: quantiles[quantile],
      });
      at += count;
    }
    return { ...card, examples };
  });
  return { tokens, cards };
}
