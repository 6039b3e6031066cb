import { change, chart, draw, lineKey } from "./chart.js";
import { article, chooser, el, errorPercent, explorable, hashState, holdFinger, paint, sign, slider, station } from "../common.js";
import { readMessages, turned } from "./messages.js";

const SHOWN = 200; // so many of the messages stand on the plane: more would cover each other
const QUARTER = 90; // degrees, after which sums of sizes come back

const signed = (/** @type {number} */ value, digits = 2) => value.toFixed(digits).replace("-", "−");
const percent = (/** @type {number} */ share) => `${Math.round(100 * share)}%`;

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    const { labels, mean, pictures, codes, average, samples, bricksAt, copyOf, most, errorAt, sizesAt } = readMessages(model);
    const { controls, stage, say } = explorable(root, model);
    const shared = hashState("turn");
    const saved = shared.whole();
    const state = saved.length === 2 && saved[0] < samples.length && saved[1] <= 360
      ? { sample: saved[0], angle: saved[1] - 180 } : { sample: model.get("first"), angle: model.get("angle") };

    // The plane, with its middle where both numbers are 0, and y upwards.
    const shown = codes.slice(0, SHOWN);
    const reach = 47 / Math.max(...codes.map((code) => Math.hypot(code[0], code[1])));
    const numerals = shown.map((_, n) => draw("text", {}, String(labels[n])));
    const dot = draw("circle", { r: 2.5, class: "sae-dot" });
    const feet = draw("path", { class: "sae-rule" });
    const plane = draw("svg", { viewBox: "-50 -50 100 100", class: "sae-plane", "aria-hidden": "true" },
      draw("path", { d: "M-49 0H49M0 -49V49", class: "sae-grid" }), ...numerals, feet, dot);

    // What the angle costs, in both ways of counting.
    const quarter = Array.from({ length: QUARTER }, (_, i) => i - QUARTER / 2);
    const sizes = quarter.map(sizesAt);
    const [least, greatest] = [Math.min(...sizes), Math.max(...sizes)];
    const best = quarter[sizes.indexOf(least)];
    const error = errorAt(0);
    // Where the copies are perfect, there is nothing to take a share of.
    const shareOf = (/** @type {number} */ all) => (error > 1e-9 ? all / error : 1);
    const low = Math.floor((20 * least) / greatest - 0.2) / 20;
    const graph = chart({
      name: `Over all angles, the error of the copies is the same. The sizes of the two numbers come to ${signed(least)} together at ${signed(best, 0)}°, `
        + `to ${signed(greatest)} at the worst angle, and so again with every quarter turn.`,
      x: { label: "angle", low: -180, high: 180, ticks: [-180, -90, 0, 90, 180].map((angle) => [angle, `${signed(angle, 0)}°`]) },
      y: {
        label: `As a share of the most at any angle, from ${percent(low)} on`,
        low, high: 1 + 0.15 * (1 - low), ticks: [low, 1].map((share) => [share, percent(share)]),
      },
    });
    const angles = Array.from({ length: 361 }, (_, i) => i - 180);
    const eighths = angles.filter((angle) => angle % 45 === 0);
    const rule = draw("line", { class: "sae-rule", y1: 0, y2: graph.y(low) });
    const dots = ["sae-error", "sae-code"].map((role) => draw("circle", { r: 5, class: `sae-point ${role}` }));
    graph.ground.append(rule,
      draw("path", { class: "sae-line sae-code", d: graph.path(angles.map((angle) => [angle, sizesAt(angle) / greatest])) }),
      draw("path", { class: "sae-line sae-error sae-dashed", d: graph.path(eighths.map((angle) => [angle, shareOf(errorAt(angle))])) }),
      ...dots);

    const canvases = Array.from({ length: 5 }, () => el("canvas"));
    const [picture, copy, start, ...bricks] = canvases;
    const terms = bricks.map((canvas) => station("code", "", canvas));
    stage.append(
      el("div", { className: "sae-row sae-stations sae-mixed" },
        station("input", "the digit", picture), sign("→"), station("reconstruction", "its copy", copy), sign("="),
        station("reconstruction", "the start", start), sign("+"), terms[0], sign("+"), terms[1]),
      el("div", { className: "sae-halves" },
        el("div", {}, el("p", { className: "sae-label" }, `${shown.length} messages, and this digit's as a point. First number across, second up.`), plane),
        el("div", {}, graph.node, lineKey([["sae-error sae-dashed", "error of the copies"], ["sae-code", "sum of the sizes"]]))));
    paint(start, mean);

    function show() {
      const { angle } = state;
      const place = samples[state.sample];
      const message = turned(codes[place], angle);
      const pair = bricksAt(angle);
      const mixed = copyOf(message, pair);
      paint(picture, pictures[place]);
      paint(copy, mixed);
      pair.forEach((brick, i) => {
        paint(bricks[i], brick, { signed: true, scale: most });
        /** @type {HTMLElement} */ (terms[i].lastElementChild).textContent = `${["first", "second"][i]} brick\n×\u202f${signed(message[i], 1)}`;
      });
      numerals.forEach((numeral, n) => {
        const [x, y] = turned(codes[n], angle);
        change(numeral, { x: (reach * x).toFixed(2), y: (-reach * y).toFixed(2) });
      });
      const [x, y] = [reach * message[0], -reach * message[1]];
      change(dot, { cx: x, cy: y });
      change(feet, { d: `M${x} 0V${y}H0` });
      const [all, together] = [errorAt(angle), sizesAt(angle)];
      change(rule, { x1: graph.x(angle), x2: graph.x(angle) });
      [shareOf(all), together / greatest].forEach((share, i) => change(dots[i], { cx: graph.x(angle), cy: graph.y(share) }));
      const way = angle === 0 ? "Not turned" : `Turned by ${signed(angle, 0)}°`;
      say(`${way}, this ${labels[place]} is sent as (${message.map((value) => signed(value)).join(", ")}). Error of its copy: `
        + `${errorPercent(pictures[place], mixed, average)}%; of all ${labels.length} copies: ${percent(all)}, as at every angle. `
        + `Sizes of the two numbers together, on average: ${signed(together)}; the least is ${signed(least)} at ${signed(best, 0)}°.`);
    }
    function turn(/** @type {Partial<typeof state>} */ news) {
      Object.assign(state, news);
      show();
      shared.set(`${state.sample}.${state.angle + 180}`);
    }

    const dial = slider({
      label: "Turn by", min: -180, max: 180, value: state.angle, words: (angle) => `${signed(angle, 0)}°`, onInput: (angle) => turn({ angle }),
    });
    /** How far the hand's direction from the middle is ahead of the angle, while it holds the plane. */
    let ahead = 0;
    const direction = (/** @type {PointerEvent} */ { clientX, clientY }) => {
      const { left, top, width, height } = plane.getBoundingClientRect();
      return (Math.atan2(top + height / 2 - clientY, clientX - left - width / 2) * 180) / Math.PI;
    };
    holdFinger(plane);
    plane.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      plane.setPointerCapture(event.pointerId);
      ahead = direction(event) - state.angle;
    });
    plane.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
      if (event.buttons === 0) return;
      const angle = ((Math.round(direction(event) - ahead) + 900) % 360) - 180;
      dial.set(angle);
      turn({ angle });
    });
    controls.append(
      chooser({
        label: "Digit", value: state.sample, onInput: (sample) => turn({ sample }),
        choices: samples.map((place) => {
          const face = el("canvas");
          paint(face, pictures[place]);
          return { name: article(labels[place]), face };
        }),
      }).node,
      dial.node);
    show();
  },
};
