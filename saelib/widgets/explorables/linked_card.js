import { change, chart, draw } from "./chart.js";
import { article, brick, chooser, el, explorable, floats, hashState, paint, station } from "../common.js";
import { pad } from "./pad.js";

const SIDE = 64; // pixels of a picture
const SHOWN = 8; // as in linked_card.py
const LINES = 4; // across the histogram, at most

/** @typedef {{picture: Uint8Array, kind: number, strength: number}} Example */
/**
 * @typedef {{number: number, picture: Float32Array, width: number, decimals: number, counts: number[][], examples: Example[][]}} Feature
 *   `width`: of a bar, and `decimals`: after how many it ends; `counts`: for each bar how many digits of each kind
 */

const sum = (/** @type {number[]} */ numbers) => numbers.reduce((all, one) => all + one, 0);

/** @param {{get: (name: string) => any}} model */
function read(model) {
  const numbers = floats(model.get("numbers"));
  let at = 0;
  const take = (/** @type {number} */ length) => numbers.subarray(at, (at += length));
  const [pictures, examples] = ["pictures", "examples"].map((name) => model.get(name));
  /** @type {number[]} */
  const labels = model.get("labels");
  const shown = labels.map((_, i) => new Uint8Array(pictures.buffer, pictures.byteOffset + SIDE * i, SIDE));

  const bricks = model.get("features").map(() => take(SIDE));
  const strengths = take(examples.byteLength / 2);
  let place = 0;
  /** @type {Feature[]} */
  const features = model.get("features").map((/** @type {number} */ number, /** @type {number} */ i) => {
    const [width, decimals] = model.get("steps")[i];
    /** @type {number[][]} */
    const counts = model.get("counts")[i];
    return {
      number, picture: bricks[i], width: width / 10 ** decimals, decimals, counts,
      examples: counts.map((own) => Array.from({ length: Math.min(SHOWN, sum(own)) }, () => {
        const which = examples.getUint16(2 * place, true);
        return { picture: shown[which], kind: labels[which], strength: strengths[place++] };
      })),
    };
  });

  const rows = (numbers.length - at) / (SIDE + 3);
  const weights = Array.from({ length: rows }, () => take(SIDE));
  const [offset, threshold, addition] = [take(rows), take(rows), take(rows)];
  const k = model.get("k");
  return {
    features, kinds: /** @type {number[]} */ (model.get("kinds")), total: /** @type {number} */ (model.get("total")),
    /** How strongly each of the features is on for a picture. @param {ArrayLike<number>} picture */
    encode(picture) {
      const pre = weights.map((row, i) => row.reduce((all, weight, p) => all + weight * picture[p], offset[i]));
      // Of all that answer, the k-th is the last that is on.
      const least = k ? [...pre].sort((one, other) => other - one)[k - 1] : -Infinity;
      return features.map((_, i) => (pre[i] > threshold[i] && pre[i] >= least ? Math.max(0, pre[i] + addition[i]) : 0));
    },
  };
}

const digitsOf = (/** @type {number} */ count) => (count === 1 ? "1 digit" : `${count ? count.toLocaleString("en") : "no"} digits`);

/** The number of digits, and how many they are of which kind. @param {number[]} counts @param {number[]} kinds */
function inKinds(counts, kinds) {
  const all = sum(counts);
  const there = [...counts.keys()].filter((i) => counts[i] > 0).sort((one, other) => counts[other] - counts[one]);
  if (all < 2) return digitsOf(all) + there.map((i) => `, ${article(kinds[i])}`).join("");
  if (there.length === 1) return `${digitsOf(all)}, all of them ${kinds[there[0]]}s`;
  return `${digitsOf(all)}: ${there.map((i) => `${counts[i]} of them ${counts[i] > 1 ? `${kinds[i]}s` : article(kinds[i])}`).join(", ")}`;
}

/** What lies in a bar, as numbers. @param {Feature} feature @param {number} bar */
const rangeOf = ({ width, decimals }, bar) => `${(width * bar).toFixed(decimals)} to ${(width * (bar + 1)).toFixed(decimals)}`;

/**
 * How strongly a feature is on, for how many digits: a bar each, of which one is open.
 * @param {Feature} feature @param {(bar: number) => void} onInput
 */
function histogram(feature, onInput) {
  const { number, width, decimals, counts } = feature;
  const totals = counts.map(sum);
  const most = Math.max(...totals);
  const between = [1, 10, 100, 1000, 10000].flatMap((power) => [power, 2 * power, 5 * power]).find((lines) => most <= LINES * lines) ?? most;
  const lines = Array.from({ length: Math.ceil(most / between) + 1 }, (_, i) => i * between);
  const edges = [...counts.keys(), counts.length];
  const graph = chart({
    name: `A bar for each of ${counts.length} ranges of strength of brick ${number}, the highest from ${rangeOf(feature, totals.indexOf(most))}: ${digitsOf(most)}.`,
    // Every second edge has room for its number.
    x: { label: "how strongly it is on", low: 0, high: counts.length, ticks: edges.filter((edge) => edge % 2 === 0).map((edge) => [edge, (width * edge).toFixed(decimals)]) },
    y: { label: "Digits for which it is on so strongly", low: 0, high: /** @type {number} */ (lines.at(-1)), ticks: lines.map((count) => [count, count.toLocaleString("en")]) },
  });
  const columns = totals.map((count, bar) => draw("rect", {
    x: graph.x(bar) + 1, width: graph.x(1) - 2, y: graph.y(count), height: graph.y(0) - graph.y(count), class: "sae-column",
  }));
  const own = draw("g", { class: "sae-input sae-own", visibility: "hidden" },
    draw("line", { class: "sae-line", y1: 0, y2: graph.y(0) }), draw("circle", { class: "sae-point", r: 5, cy: 0 }), draw("text", { y: 5 }, "yours"));
  graph.ground.append(...columns, own);
  const bars = chooser({
    label: "How strongly it is on", value: -1, onInput,
    choices: totals.map((count, bar) => ({ name: `on at ${rangeOf(feature, bar)}: ${digitsOf(count)}`, face: "" })),
  });
  bars.node.classList.add("sae-bars");
  graph.under(bars.node);
  return {
    node: graph.node,
    /** @param {number} bar */
    open(bar) {
      bars.set(bar);
      columns.forEach((column, i) => column.classList.toggle("sae-open-column", i === bar));
    },
    /** Where a strength lies, if there is one. @param {number} strength */
    mark(strength) {
      change(own, { visibility: strength > 0 ? "visible" : "hidden" });
      const x = graph.x(Math.min(counts.length, strength / width));
      const [line, dot, word] = own.children;
      change(line, { x1: x, x2: x });
      change(dot, { cx: x });
      const left = x > graph.x(counts.length / 2);
      change(word, { x: x + (left ? -9 : 9), "text-anchor": left ? "end" : "start" });
    },
  };
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    const { features, kinds, total, encode } = read(model);
    const { controls, stage, say } = explorable(root, model);
    /** `drawn`: how strongly each feature is on for the reader's digit, or null where there is none. */
    const state = { at: model.get("first"), bar: 0, drawn: /** @type {number[]|null} */ (null) };
    const strongest = (/** @type {number} */ at) => features[at].counts.length - 1;
    state.bar = strongest(state.at);

    const shared = hashState("card");
    function restore() {
      const [number, bar, ...more] = shared.whole();
      const at = features.findIndex((feature) => feature.number === number);
      if (at < 0 || more.length || !(bar <= strongest(at))) return false;
      Object.assign(state, { at, bar });
      return true;
    }

    const picture = el("canvas");
    const board = pad({ label: "Your digit", onInput: drawn });
    const [what, whose] = [station("code", "what it adds", picture), station("input", "", board.node)];
    const clear = el("button", { type: "button", onclick() { board.show(new Float32Array(SIDE)); drawn(new Float32Array(SIDE)); } }, "Clear");
    const place = el("div", { className: "sae-range" });
    const title = el("p", { className: "sae-label sae-which" });
    // Room for as many as a bar can show, so that nothing below moves.
    const slots = Array.from({ length: SHOWN }, () => {
      const canvas = el("canvas", { role: "img" });
      return { canvas, node: station("input", "", canvas) };
    });
    stage.append(
      el("div", { className: "sae-linked" }, what, el("div", { className: "sae-drawing" }, whose, clear), place),
      title, el("div", { className: "sae-examples" }, ...slots.map(({ node }) => node)));

    /** @type {ReturnType<typeof histogram>} */
    let graph;
    function layOut() {
      const feature = features[state.at];
      graph = histogram(feature, (bar) => go({ bar }));
      place.replaceChildren(graph.node);
      paint(picture, feature.picture, { signed: true, scale: Math.max(...feature.picture.map(Math.abs)) });
      tiles.set(state.at);
    }

    function show() {
      const feature = features[state.at];
      const counts = feature.counts[state.bar];
      const examples = feature.examples[state.bar];
      const range = rangeOf(feature, state.bar);
      const all = sum(counts);
      graph.open(state.bar);
      const these = all > SHOWN ? `${SHOWN} of the ${digitsOf(all)}` : all > 1 ? `The ${digitsOf(all)}` : all ? "The only digit" : "No digit";
      title.textContent = `${these} at ${range}${all > 1 ? ", from the weakest to the strongest" : ""}${all ? ":" : "."}`;
      slots.forEach(({ canvas, node }, i) => {
        node.style.visibility = examples[i] ? "visible" : "hidden";
        // A slot that is not needed keeps nothing of the bar before.
        paint(canvas, examples[i]?.picture ?? new Float32Array(SIDE), { scale: 255 });
        if (!examples[i]) return;
        const { kind, strength } = examples[i];
        canvas.setAttribute("aria-label", article(kind));
        node.lastElementChild.textContent = strength.toFixed(2);
      });
      const own = state.drawn?.[state.at] ?? 0;
      graph.mark(own);
      bricks.forEach(({ set }, i) => set(state.drawn?.[i] ?? 0));
      const yours = !state.drawn ? "" : own > 0 ? `on at ${own.toFixed(2)}` : "off";
      /** @type {HTMLElement} */ (whose.lastElementChild).textContent = yours ? `yours: ${yours}` : "draw a digit";
      const beyond = own > feature.width * feature.counts.length ? ", more strongly than for any of these" : "";
      say(`Brick ${feature.number} is on for ${sum(feature.counts.map(sum)).toLocaleString("en")} of ${total.toLocaleString("en")} digits. `
        + `At ${range} there ${all === 1 ? "is" : "are"} ${inKinds(counts, kinds)}.${yours && ` For your digit it is ${yours}${beyond}.`}`);
    }

    /** @param {Partial<typeof state>} news */
    function go(news) {
      Object.assign(state, news);
      if (news.at !== undefined) {
        state.bar = barOfOwn() ?? strongest(state.at);
        layOut();
      }
      show();
      shared.set(`${features[state.at].number}.${state.bar}`);
    }
    /** The bar that the reader's digit falls into, if it falls into one. */
    function barOfOwn() {
      const own = state.drawn?.[state.at] ?? 0;
      return own > 0 ? Math.min(strongest(state.at), Math.ceil(own / features[state.at].width) - 1) : undefined;
    }
    /** @param {Float32Array} pixels */
    function drawn(pixels) {
      state.drawn = pixels.some((ink) => ink > 0) ? encode(pixels) : null;
      go({ bar: barOfOwn() ?? state.bar });
    }

    const bricks = features.map(({ number, picture, width, counts }) => brick({ number, picture, scale: width * counts.length }));
    const tiles = chooser({
      label: "Brick", value: state.at, onInput: (at) => go({ at }),
      choices: bricks.map(({ node }, i) => ({ name: `brick ${features[i].number}`, face: node })),
    });
    controls.append(tiles.node);
    board.show(new Float32Array(SIDE));
    restore();
    layOut();
    show();
    const arrive = () => {
      if (!restore()) return;
      layOut();
      show();
    };
    addEventListener("hashchange", arrive);
    return () => removeEventListener("hashchange", arrive);
  },
};
