import { change, chart, draw, lineKey } from "./chart.js";
import { el, explorable, hashState, paint, slider, station } from "../common.js";

const DEAREST = 250; // the highest price, in hundredths
const FARTHEST = 1.2; // the greatest strength that is drawn
const STRENGTHS = Array.from({ length: 121 }, (_, i) => (FARTHEST * i) / 120);
/** The brick, a ring of 8x8 pixels. */
const RING = Float32Array.from({ length: 64 }, (_, i) => Math.exp(-(((Math.hypot((i % 8) - 3.5, Math.floor(i / 8) - 3.5) - 2.4) / 0.9) ** 2)));

/** What the copy is wrong by where the brick is drawn at this strength. @param {number} strength */
const errorAt = (strength) => (1 - strength) ** 2;

/**
 * `paid` for a strength at a price; `above`, what is paid for the least strength that there is above 0; `least`, the strengths
 * at which error and what is paid are least together: more than one where they are equally good.
 * @typedef {{name: string, words: string, paid: (strength: number, price: number) => number, above: (price: number) => number,
 *            least: (price: number) => number[]}} Rule
 */
/** @type {Rule[]} */
const RULES = [
  {
    name: "L1", words: "A price on every bit (L1)",
    paid: (strength, price) => price * strength, above: () => 0, least: (price) => [Math.max(0, 1 - price / 2)],
  },
  {
    name: "JumpReLU", words: "A price on being on (JumpReLU)",
    paid: (strength, price) => (strength > 0 ? price : 0), above: (price) => price,
    least: (price) => (price === 1 ? [1, 0] : [price < 1 ? 1 : 0]),
  },
];
const two = (/** @type {number} */ value) => value.toFixed(2);

/** What a rule makes of the brick, in a few words. @param {Rule} rule @param {number} price */
function briefly({ name, least }, price) {
  const [best, other] = least(price);
  if (other !== undefined) return `${name}: ${two(best)}, or left out`;
  return best > 0 ? `${name} draws it at ${two(best)}` : `${name} leaves it out`;
}

/** The same with what it costs. @param {Rule} rule @param {number} price */
function inFull(rule, price) {
  const [best, other] = rule.least(price);
  const [error, paid] = [errorAt(best), rule.paid(best, price)];
  if (other !== undefined) return `${rule.name} draws it at ${two(best)} or leaves it out, which comes to the same: ${two(error + paid)}.`;
  return `${briefly(rule, price)}: error ${two(error)}, paid ${two(paid)}, together ${two(error + paid)}.`;
}

/** The costs under one rule, over all strengths, and the least of them. @param {Rule} rule */
function costs(rule) {
  const graph = chart({
    name: "",
    x: { label: "strength of the brick", low: 0, high: FARTHEST, ticks: [[0, "0"], [0.5, "0.5"], [1, "1"]] },
    y: { label: rule.words, low: 0, high: DEAREST / 100, ticks: [[0, "0"], [1, "1"], [2, "2"]] },
  });
  const point = (/** @type {string} */ role, r = 3.5) => draw("circle", { r, class: role });
  const lines = {
    error: draw("path", { class: "sae-line sae-error", d: graph.path(STRENGTHS.map((strength) => [strength, errorAt(strength)])) }),
    paid: draw("path", { class: "sae-line sae-code sae-dashed" }),
    sum: draw("path", { class: "sae-line sae-sum" }),
  };
  // Where a curve jumps, it does not reach the open point, and the filled one is its own.
  const jumps = ["sae-code", "sae-sum"].map((role) => ({ open: point(`sae-open ${role}`), own: point(`sae-point ${role}`) }));
  const best = [0, 1].map(() => ({ rule: draw("line", { class: "sae-rule", y2: graph.y(0) }), dot: point("sae-point sae-reconstruction", 6) }));
  graph.ground.append(lines.error, lines.paid, lines.sum, ...jumps.flatMap(({ open, own }) => [open, own]),
    ...best.map((one) => one.rule), ...best.map((one) => one.dot));
  return {
    node: graph.node,
    show(/** @type {number} */ price) {
      const paid = STRENGTHS.map((strength) => (strength > 0 ? rule.paid(strength, price) : rule.above(price)));
      change(lines.paid, { d: graph.path(STRENGTHS.map((strength, i) => [strength, paid[i]])) });
      change(lines.sum, { d: graph.path(STRENGTHS.map((strength, i) => [strength, errorAt(strength) + paid[i]])) });
      jumps.forEach(({ open, own }, i) => {
        const [from, to] = [rule.above(price), rule.paid(0, price)].map((value) => graph.y(i * errorAt(0) + value));
        const visibility = from === to ? "hidden" : "visible";
        change(open, { cx: graph.x(0), cy: from, visibility });
        change(own, { cx: graph.x(0), cy: to, visibility });
      });
      const least = rule.least(price);
      best.forEach((one, i) => {
        const at = least[i] ?? least[0];
        const [x, y] = [graph.x(at), graph.y(errorAt(at) + rule.paid(at, price))];
        change(one.rule, { x1: x, x2: x, y1: y });
        change(one.dot, { cx: x, cy: y });
      });
      graph.name(`${rule.words}: what the brick costs over its strength, in error, in what is paid, and in both together. ${inFull(rule, price)}`);
    },
  };
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    const { controls, stage, say } = explorable(root, model);
    const shared = hashState("price");
    const saved = shared.whole();
    const start = saved.length === 1 && saved[0] <= DEAREST ? saved[0] : model.get("price");

    const needed = el("canvas");
    paint(needed, RING);
    const drawn = RULES.map(() => {
      const canvas = el("canvas");
      const node = station("reconstruction", "", canvas);
      return { canvas, node, name: /** @type {HTMLElement} */ (node.lastElementChild) };
    });
    const graphs = RULES.map(costs);
    stage.append(
      el("div", { className: "sae-row sae-stations" }, station("input", "needed: 1.00", needed), ...drawn.map(({ node }) => node)),
      el("div", { className: "sae-halves" }, ...graphs.map(({ node }) => node)),
      lineKey([["sae-error", "error"], ["sae-code sae-dashed", "paid"], ["sae-sum", "both together"]]));

    function show(/** @type {number} */ hundredths) {
      const price = hundredths / 100;
      RULES.forEach((rule, i) => {
        paint(drawn[i].canvas, RING.map((ink) => ink * rule.least(price)[0]));
        drawn[i].name.textContent = briefly(rule, price);
        graphs[i].show(price);
      });
      say([`At a price of ${two(price)},`, ...RULES.map((rule) => inFull(rule, price))].join(" "));
    }
    controls.append(slider({
      label: "Price", min: 0, max: DEAREST, step: 5, value: start, words: (hundredths) => two(hundredths / 100),
      onInput(hundredths) { show(hundredths); shared.set(String(hundredths)); },
    }).node);
    show(start);
  },
};
