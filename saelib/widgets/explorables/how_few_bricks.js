import { article, brick, chooser, el, errorInWords, explorable, floats, hashState, paint, sign, slider, station } from "../common.js";

/** @typedef {{size: number, offset: Float32Array, bricks: Float32Array[], codes: Float32Array[]}} Box */

/**
 * The k largest numbers of a code, largest first, without those that are zero.
 * @param {Float32Array} code @param {number} k
 * @returns {number[]} their places
 */
const strongest = (code, k) =>
  Array.from(code.keys()).filter((i) => code[i] > 0).sort((a, b) => code[b] - code[a]).slice(0, k);

/** @param {{get: (name: string) => any}} model */
function read(model) {
  const numbers = floats(model.get("numbers"));
  const labels = model.get("labels");
  const sizes = model.get("boxes");
  const total = sizes.reduce((/** @type {number} */ sum, /** @type {number} */ size) => sum + size, 0);
  // What `numbers` holds, said by its length alone: (1 + n + boxes + total) pictures and n codes for each box.
  const side = (numbers.length - labels.length * total) / (1 + labels.length + sizes.length + total);
  let at = 0;
  const take = (/** @type {number} */ length) => numbers.subarray(at, (at += length));
  const rows = (/** @type {number} */ count, /** @type {number} */ length) => Array.from({ length: count }, () => take(length));
  return {
    labels,
    mean: take(side),
    pictures: rows(labels.length, side),
    boxes: sizes.map((/** @type {number} */ size) =>
      ({ size, offset: take(side), bricks: rows(size, side), codes: rows(labels.length, size) })),
  };
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    const { labels, mean, pictures, boxes } = read(model);
    const most = model.get("k");
    // The activation that fills a brick's bar: the strongest that the box needs for any of the pictures.
    const scales = boxes.map((/** @type {Box} */ { codes }) => Math.max(...codes.map((code) => Math.max(...code))));
    const { controls, stage, say } = explorable(root, model);

    const shared = hashState("bricks");
    const saved = shared.whole();
    const state = saved.length === 3 && saved.every((value, i) => value < [pictures.length, boxes.length, most + 1][i])
      ? { picture: saved[0], box: saved[1], k: saved[2] }
      : { picture: model.get("first"), box: boxes.length - 1, k: model.get("start") };

    const original = el("canvas");
    const rebuilt = el("canvas");
    const missing = el("canvas");
    const used = el("div", { className: "sae-row" });
    const usedTitle = el("p", { className: "sae-label" });
    const boxTitle = el("p", { className: "sae-label" });
    const shelf = el("div", { className: "sae-shelf", "aria-hidden": "true" });
    stage.append(
      el("div", { className: "sae-row sae-stations" }, station("input", "the digit", original), sign("="),
        station("reconstruction", "rebuilt", rebuilt), sign("+"), station("error", "still missing", missing)),
      usedTitle, used, boxTitle, shelf);
    /** @type {{node: HTMLElement, set: (activation: number) => void}[]} */
    let shelved = [];

    function fillShelf() {
      const box = boxes[state.box];
      shelved = box.bricks.map((/** @type {Float32Array} */ picture, /** @type {number} */ number) => brick({ number, picture, scale: scales[state.box] }));
      shelf.replaceChildren(...shelved.map(({ node }) => node));
      boxTitle.textContent = `The whole box, ${box.size} bricks:`;
    }

    function draw() {
      const box = boxes[state.box];
      const picture = pictures[state.picture];
      const code = box.codes[state.picture];
      const chosen = strongest(code, state.k);
      const copy = Float32Array.from(box.offset);
      for (const i of chosen) box.bricks[i].forEach((/** @type {number} */ value, /** @type {number} */ p) => { copy[p] += code[i] * value; });
      paint(original, picture);
      paint(rebuilt, copy);
      paint(missing, picture.map((value, p) => value - copy[p]), { signed: true, scale: 0.7 });
      shelved.forEach(({ set }, i) => set(chosen.includes(i) ? code[i] : 0));
      used.replaceChildren(...chosen.map((number) => {
        const { node, set } = brick({ number, picture: box.bricks[number], scale: scales[state.box] });
        set(code[number]);
        return node;
      }));
      usedTitle.textContent = chosen.length > 0
        ? "The bricks that it is built from, strongest first:"
        : "No bricks yet: every copy from this box starts from this picture.";
      const spared = state.k > chosen.length ? ` (${state.k} were allowed, but no more were of use)` : "";
      say(`${chosen.length} of ${box.size} bricks${spared} rebuild this ${labels[state.picture]}. ${errorInWords(picture, copy, mean)}`);
    }

    function change(/** @type {Partial<typeof state>} */ news) {
      Object.assign(state, news);
      if (news.box !== undefined) fillShelf();
      draw();
      shared.set([state.picture, state.box, state.k].join("."));
    }

    const thumbnail = (/** @type {Float32Array} */ picture) => {
      const canvas = el("canvas");
      paint(canvas, picture);
      return canvas;
    };
    controls.append(
      chooser({
        label: "Digit", value: state.picture, onInput: (picture) => change({ picture }),
        choices: pictures.map((picture, i) => ({ name: article(labels[i]), face: thumbnail(picture) })),
      }).node,
      chooser({
        label: "Box", value: state.box, onInput: (box) => change({ box }),
        choices: boxes.map((/** @type {Box} */ { size }) => ({ name: `${size} bricks`, face: `${size} bricks` })),
      }).node,
      slider({
        label: "Bricks allowed", min: 0, max: most, value: state.k,
        words: (k) => `${k} brick${k === 1 ? "" : "s"}`, onInput: (k) => change({ k }),
      }).node);
    fillShelf();
    draw();
  },
};
