import { change, chart, draw } from "./chart.js";
import { article, brick, chooser, el, errorPercent, explorable, floats, hashState, paint, sign, slider, station } from "../common.js";

/** @typedef {{feature: number, place: number, strength: number}} Use a brick that a picture uses */
/** @typedef {{features: number[], offset: Float32Array, bricks: Float32Array[], uses: Use[][]}} Box `uses`: a list for each picture */

/**
 * @param {{get: (name: string) => any}} model
 * @returns {{labels: number[], ks: number[], mean: Float32Array, pictures: Float32Array[], boxes: Box[]}}
 */
function read(model) {
  const numbers = floats(model.get("numbers"));
  const bytes = model.get("bricks");
  const small = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [labels, ks, features] = ["labels", "ks", "features"].map((name) => model.get(name));
  const side = small.length / features.flat().length;
  let [at, from] = [0, 0];
  const take = (/** @type {number} */ length) => numbers.subarray(at, (at += length));
  const mean = take(side);
  const pictures = Array.from({ length: 2 * labels.length }, () => take(side));
  return {
    labels, ks, mean, pictures,
    boxes: ks.map((/** @type {number} */ k, /** @type {number} */ i) => {
      const offset = take(side);
      const largest = take(features[i].length);
      const [strengths, places] = [take(k * pictures.length), take(k * pictures.length)];
      return {
        features: features[i], offset,
        bricks: Array.from(largest, (most) => Float32Array.from(small.subarray(from, (from += side)), (value) => (value * most) / 127)),
        uses: pictures.map((_, picture) => Array.from({ length: k }, (_, n) => ({
          strength: strengths[picture * k + n], place: places[picture * k + n], feature: features[i][places[picture * k + n]],
        })).filter(({ strength }) => strength > 0)),
      };
    }),
  };
}

const percent = (/** @type {number} */ share) => `${Math.round(100 * share)}%`;

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    const { labels, ks, mean, pictures, boxes } = read(model);
    const { controls, stage, say } = explorable(root, model);
    const [frontier, nonsense] = ["frontier", "nonsense"].map((name) => /** @type {[number, number][]} */ (model.get(name)));
    const errorAt = (/** @type {[number, number][]} */ points, /** @type {number} */ k) => /** @type {[number, number]} */ (points.find(([own]) => own === k))[1];

    const shared = hashState("dial");
    const saved = shared.whole();
    const fits = saved.length === 2 && saved[0] < labels.length && ks.includes(saved[1]);
    const state = fits ? { picture: saved[0], at: ks.indexOf(saved[1]) } : { picture: model.get("first"), at: model.get("start") };

    const canvases = Array.from({ length: 4 }, () => el("canvas"));
    const [digit, copy, scrambled, copied] = canvases;
    const pile = el("div", { className: "sae-pile" });
    const title = el("p", { className: "sae-label" });

    const [end, nonsenseEnd] = [frontier, nonsense].map((points) => points[points.length - 1]);
    const last = Math.max(ks[ks.length - 1], end[0]);
    const ticks = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024].filter((k) => k <= last);
    const graph = chart({
      name: `Error against the number of bricks allowed. On digits it falls from ${percent(frontier[0][1])} at ${frontier[0][0]} to `
        + `${percent(end[1])} at ${end[0]}; on scrambled pictures from ${percent(nonsense[0][1])} to ${percent(nonsenseEnd[1])}.`,
      x: { label: "bricks allowed, k", low: 1, high: Math.max(2, last), log: true, ticks: ticks.map((k) => [k, String(k)]) },
      y: { label: "Error over all pictures kept aside", low: 0, high: 1, ticks: [[0, "0%"], [0.5, "50%"], [1, "100%"]] },
    });
    const rule = draw("line", { class: "sae-rule", y1: graph.y(1), y2: graph.y(0) });
    const dots = [draw("circle", { r: 5, class: "sae-point sae-nonsense" }), draw("circle", { r: 6, class: "sae-point sae-reconstruction" })];
    const named = (/** @type {[number, number][]} */ points, /** @type {string} */ words) => {
      const [k, error] = points[Math.floor(points.length / 2)];
      return draw("text", { x: graph.x(k) + 9, y: graph.y(error) - 9 }, words);
    };
    graph.ground.append(
      rule,
      draw("path", { d: graph.path(nonsense), class: "sae-line sae-nonsense sae-dashed" }),
      draw("path", { d: graph.path(frontier), class: "sae-line sae-reconstruction" }),
      named(nonsense, "scrambled"), named(frontier, "digits"), ...dots);
    stage.append(
      el("div", { className: "sae-row sae-stations" },
        station("input", "the digit", digit), sign("→"), station("reconstruction", "rebuilt", copy), el("div", { className: "sae-gap" }),
        station("input", "scrambled", scrambled), sign("→"), station("reconstruction", "rebuilt", copied)),
      el("div", { className: "sae-halves" }, graph.node, el("div", {}, title, pile)));

    function rebuild(/** @type {Box} */ box, /** @type {number} */ picture) {
      const sum = Float32Array.from(box.offset);
      for (const { place, strength } of box.uses[picture]) box.bricks[place].forEach((value, i) => { sum[i] += strength * value; });
      return sum;
    }

    /** The bricks that have been shown, by box and place: a drag comes by them again and again. */
    const made = boxes.map(() => /** @type {ReturnType<typeof brick>[]} */ ([]));
    // The activation that fills a bar: the strongest that a box needs for any of the pictures.
    const scales = boxes.map((/** @type {Box} */ { uses }) => Math.max(...uses.flat().map(({ strength }) => strength)));

    function show() {
      const [box, k] = [boxes[state.at], ks[state.at]];
      const both = [state.picture, labels.length + state.picture];
      const rebuilt = both.map((picture) => rebuild(box, picture));
      [digit, scrambled].forEach((canvas, i) => paint(canvas, pictures[both[i]]));
      [copy, copied].forEach((canvas, i) => paint(canvas, rebuilt[i]));
      const used = box.uses[state.picture];
      pile.replaceChildren(...used.map(({ feature, place, strength }) => {
        const tile = (made[state.at][place] ??= brick({ number: feature, picture: box.bricks[place], scale: scales[state.at] }));
        tile.set(strength);
        return tile.node;
      }));
      pile.dataset.size = used.length <= 8 ? "large" : used.length <= 24 ? "medium" : "small";
      title.textContent = `Its ${used.length === 1 ? "brick" : `${used.length} bricks`}, from the box for k = ${k}`;
      const errors = [frontier, nonsense].map((points) => errorAt(points, k));
      change(rule, { x1: graph.x(k), x2: graph.x(k) });
      dots.forEach((dot, i) => change(dot, { cx: graph.x(k), cy: graph.y(Math.min(1, errors[1 - i])) }));
      const [own, other] = both.map((picture, i) => errorPercent(pictures[picture], rebuilt[i], mean));
      say(`With ${k} brick${k === 1 ? "" : "s"}, the error of this ${labels[state.picture]} is ${own}%, of its scrambled neighbour ${other}%. `
        + `Over all digits kept aside it is ${percent(errors[0])}, over all scrambled pictures ${percent(errors[1])}.`);
    }

    function turn(/** @type {Partial<typeof state>} */ news) {
      Object.assign(state, news);
      show();
      shared.set(`${state.picture}.${ks[state.at]}`);
    }
    controls.append(
      chooser({
        label: "Digit", value: state.picture, onInput: (picture) => turn({ picture }),
        choices: labels.map((/** @type {number} */ label, /** @type {number} */ i) => {
          const face = el("canvas");
          paint(face, pictures[i]);
          return { name: article(label), face };
        }),
      }).node,
      slider({
        label: "Bricks allowed", min: 0, max: ks.length - 1, value: state.at,
        words: (at) => `${ks[at]} brick${ks[at] === 1 ? "" : "s"}`, onInput: (at) => turn({ at }),
      }).node);
    show();
  },
};
