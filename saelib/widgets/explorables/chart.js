import { el } from "../common.js";

/**
 * An SVG element with its attributes and children.
 * @param {string} tag @param {Record<string, string|number>} [attributes] @param {...(Node|string)} children @returns {any}
 */
export function draw(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  change(node, attributes);
  node.append(...children);
  return node;
}

/** @param {Element} node @param {Record<string, string|number>} attributes */
export function change(node, attributes) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
}

/**
 * Two named axes with ticks, and room to draw in between: what goes beyond the axes is cut off.
 * @param {{name: string, x: Axis, y: Axis}} options `name` says for those who can't see it what the chart shows
 * @typedef {{label: string, low: number, high: number, log?: boolean, ticks: [number, string][]}} Axis
 * @returns {{node: HTMLElement, name: (words: string) => void, ground: SVGElement, x: (value: number) => number,
 *            y: (value: number) => number, path: (points: [number, number][]) => string, under: (layer: HTMLElement) => void}}
 *   `under` lays what can be pressed under the ground, as large as this
 */
export function chart({ name, x, y }) {
  const [left, top, wide, high] = [40, 8, 272, 150];
  const [all, tall] = [left + wide + 10, top + high + 38];
  const along = (/** @type {Axis} */ axis) => {
    const scale = axis.log ? Math.log : (/** @type {number} */ value) => value;
    return (/** @type {number} */ value) => (scale(value) - scale(axis.low)) / (scale(axis.high) - scale(axis.low));
  };
  const [shareX, shareY] = [along(x), along(y)];
  const toX = (/** @type {number} */ value) => wide * shareX(value);
  const toY = (/** @type {number} */ value) => high * (1 - shareY(value));
  // An SVG within an SVG clips what is drawn in it; the overlap leaves room for dots on an axis.
  const ground = draw("svg", { x: left - 7, y: top - 7, width: wide + 14, height: high + 14, viewBox: `-7 -7 ${wide + 14} ${high + 14}` });
  const node = draw("svg", { viewBox: `0 0 ${all} ${tall}`, class: "sae-chart", role: "img", "aria-label": name },
    ...x.ticks.map(([value, words]) => draw("text", { x: left + toX(value), y: top + high + 15, "text-anchor": "middle" }, words)),
    ...x.ticks.map(([value]) => draw("line", { x1: left + toX(value), x2: left + toX(value), y1: top + high, y2: top + high + 4, class: "sae-axis" })),
    ...y.ticks.map(([value, words]) => draw("text", { x: left - 7, y: top + toY(value) + 4, "text-anchor": "end" }, words)),
    ...y.ticks.map(([value]) => draw("line", { x1: left, x2: left + wide, y1: top + toY(value), y2: top + toY(value), class: "sae-grid" })),
    draw("path", { d: `M${left} ${top}V${top + high}H${left + wide}`, class: "sae-axis" }),
    draw("text", { x: left + wide / 2, y: top + high + 33, "text-anchor": "middle" }, x.label),
    ground);
  const field = el("div", { className: "sae-layered" }, node);
  return {
    node: el("div", {}, el("p", { className: "sae-label" }, y.label), field),
    name: (words) => node.setAttribute("aria-label", words),
    ground, x: toX, y: toY,
    path: (points) => points.map(([at, value], i) => `${i ? "L" : "M"}${toX(at).toFixed(1)} ${toY(value).toFixed(1)}`).join(""),
    under(layer) {
      Object.assign(layer.style, { left: `${(100 * left) / all}%`, top: `${(100 * top) / tall}%`, width: `${(100 * wide) / all}%`, height: `${(100 * high) / tall}%` });
      field.prepend(layer);
    },
  };
}

/**
 * What the lines of a chart stand for: a piece of each, and its words.
 * @param {[string, string][]} lines the names of its classes and the words, for each line
 * @returns {HTMLElement}
 */
export const lineKey = (lines) =>
  el("ul", { className: "sae-key" }, ...lines.map(([names, words]) => el("li", {},
    draw("svg", { viewBox: "0 0 30 9", "aria-hidden": "true" }, draw("path", { d: "M1 4.5H29", class: `sae-line ${names}` })), words)));
