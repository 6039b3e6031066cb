import { article, chooser, el, errorInWords, explorable, floats, hashState, holdFinger, paint, sign, slider, squaredError, station } from "../common.js";
import { forward, readLayers } from "./network.js";
import { pad } from "./pad.js";

/** @param {string} tag @param {Record<string, string|number>} attributes @param {...(Node|string)} children @returns {any} */
function svg(tag, attributes, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

/** @param {{get: (name: string) => any}} model */
function read(model) {
  const numbers = floats(model.get("numbers"));
  const labels = model.get("labels");
  let at = 0;
  const take = (/** @type {number} */ length) => numbers.subarray(at, (at += length));
  const encoder = readLayers(model.get("encoder"), take);
  const decoder = readLayers(model.get("decoder"), take);
  const side = model.get("encoder")[0][0];
  /** @type {Float32Array[]} */
  const pictures = labels.map(() => take(side));
  const mean = pictures[0].map((_, i) => pictures.reduce((sum, picture) => sum + picture[i], 0) / pictures.length);
  return { labels, samples: model.get("samples"), encoder, decoder, pictures, mean };
}

/** How many of the codes stand on the plane: more would cover each other. */
const SHOWN = 150;
const short = (/** @type {number} */ value) => value.toFixed(1).replace("-", "−");

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    const { labels, samples, encoder, decoder, pictures, mean } = read(model);
    const { controls, stage, say } = explorable(root, model);
    const codes = pictures.map((picture) => forward(encoder, picture));
    // The plane shows all codes, with a margin; `low` and `high` are its edges, for the first and the second number.
    const [low, high] = [Math.min, Math.max].map((pick, end) => [0, 1].map((axis) => {
      const values = codes.map((code) => code[axis]);
      return pick(...values) + (end === 0 ? -0.05 : 0.05) * (Math.max(...values) - Math.min(...values));
    }));
    const toPlane = (/** @type {ArrayLike<number>} */ code) => ({
      x: (100 * (code[0] - low[0])) / (high[0] - low[0]), y: 100 - (100 * (code[1] - low[1])) / (high[1] - low[1]),
    });

    /** What the message is, and the picture that it was written from: none when it was set by hand. */
    let message = codes[samples[0]];
    /** @type {Float32Array|null} */
    let picture = pictures[samples[0]];
    const shared = hashState("message");

    const board = pad({ label: "Your digit", onInput: (pixels) => { choices.set(-1); write(Float32Array.from(pixels)); } });
    const restored = el("canvas");
    const dot = svg("circle", { r: 3, class: "sae-dot" });
    const plane = svg("svg", { viewBox: "0 0 100 100", class: "sae-plane", "aria-hidden": "true" },
      ...codes.slice(0, SHOWN).map((code, i) => {
        const { x, y } = toPlane(code);
        return svg("text", { x: x.toFixed(1), y: y.toFixed(1) }, String(labels[i]));
      }), dot);

    function draw() {
      const copy = forward(decoder, message);
      paint(restored, copy);
      const { x, y } = toPlane(message);
      dot.setAttribute("cx", x);
      dot.setAttribute("cy", y);
      message.forEach((value, axis) => sliders[axis].set(value));
      const words = `The message is (${short(message[0])}, ${short(message[1])})`;
      // The chosen digit itself is no neighbour of its own.
      const others = codes.map((code, i) => ({ distance: squaredError(code, message), label: labels[i], self: pictures[i] === picture }));
      const near = others.filter(({ self }) => !self).sort((a, b) => a.distance - b.distance).slice(0, 3);
      const neighbours = `Its neighbours on the map: ${near.map(({ label }) => article(label)).join(", ")}.`;
      board.node.classList.toggle("sae-faded", picture === null);
      if (picture === null) say(`${words}, set by hand, with no drawing behind it. ${neighbours}`);
      else if (!picture.some((ink) => ink > 0)) say(`${words}: what the encoder makes of an empty page. ${neighbours}`);
      else say(`${words}. ${neighbours} ${errorInWords(picture, copy, mean)}`);
    }
    /** The first friend writes the message. @param {Float32Array} pixels */
    function write(pixels) {
      picture = pixels;
      message = forward(encoder, pixels);
      draw();
    }
    /** The reader sets the message. @param {number[]} numbers */
    function setMessage(numbers) {
      picture = null;
      message = Float32Array.from(numbers, (value, axis) => Math.max(low[axis], Math.min(high[axis], value)));
      choices.set(-1);
      draw();
      shared.set(Array.from(message, (value) => value.toFixed(2)).join("_"));
    }

    const choices = chooser({
      label: "A digit that the friends never saw", value: 0,
      onInput(index) { board.show(pictures[samples[index]]); write(pictures[samples[index]]); },
      choices: samples.map((/** @type {number} */ place) => {
        const face = el("canvas");
        paint(face, pictures[place]);
        return { name: article(labels[place]), face };
      }),
    });
    const sliders = ["First number", "Second number"].map((label, axis) => slider({
      label, min: low[axis], max: high[axis], step: (high[axis] - low[axis]) / 200, value: 0, words: short,
      onInput: (value) => setMessage(axis === 0 ? [value, message[1]] : [message[0], value]),
    }));

    const drag = (/** @type {PointerEvent} */ event) => {
      const box = plane.getBoundingClientRect();
      setMessage([
        low[0] + ((event.clientX - box.left) / box.width) * (high[0] - low[0]),
        high[1] - ((event.clientY - box.top) / box.height) * (high[1] - low[1]),
      ]);
    };
    holdFinger(plane);
    plane.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => { plane.setPointerCapture(event.pointerId); drag(event); });
    plane.addEventListener("pointermove", (/** @type {PointerEvent} */ event) => { if (event.buttons > 0) drag(event); });

    const clear = el("button", { type: "button", onclick() { choices.set(-1); board.show(new Float32Array(mean.length)); write(new Float32Array(mean.length)); board.node.focus(); } }, "Clear the pad and draw");
    controls.append(choices.node, clear);
    stage.append(
      el("div", { className: "sae-message" },
        station("input", "the digit: draw here", board.node), sign("→", "encoder"),
        station("code", "the message: drag the point", plane), sign("←", "decoder"),
        station("reconstruction", "what the decoder draws", restored)),
      ...sliders.map(({ node }) => node));

    board.show(picture);
    const saved = (shared.get() ?? "").split("_").map(Number);
    if (saved.length === 2 && saved.every(Number.isFinite)) setMessage(saved);
    else draw();
  },
};
