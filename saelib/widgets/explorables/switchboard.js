import { article, brick, chooser, el, errorPercent, explorable, floats, hashState, paint, slider, squaredError, station, uniqueId } from "../common.js";

/** @param {{get: (name: string) => any}} model */
function read(model) {
  const numbers = floats(model.get("numbers"));
  const labels = model.get("labels");
  const features = model.get("features");
  const size = features.length;
  // What `numbers` holds, said by its length alone: (2 + size + n) pictures, `size` strengths, and n codes of `size`.
  const side = (numbers.length - size * (1 + labels.length)) / (2 + size + labels.length);
  let at = 0;
  const take = (/** @type {number} */ length) => numbers.subarray(at, (at += length));
  const rows = (/** @type {number} */ count, /** @type {number} */ length) => Array.from({ length: count }, () => take(length));
  return {
    labels, features, names: model.get("names"), noun: model.get("noun"), offset: take(side), bricks: rows(size, side), typical: take(size),
    mean: take(side), pictures: rows(labels.length, side), codes: rows(labels.length, size),
  };
}

/** The numbers of the features that are on, strongest first. @param {Float32Array} code */
const active = (code) => Array.from(code.keys()).filter((i) => code[i] > 0).sort((one, other) => code[other] - code[one]);

/**
 * What a tile has room for: of a large picture the square around all that a brick clearly draws.
 * @param {ArrayLike<number>} picture
 */
function closeUp(picture) {
  const side = Math.round(Math.sqrt(picture.length));
  const strength = Array.from(picture, Math.abs);
  const bar = Math.max(...strength) / 5;
  const there = [...strength.keys()].filter((i) => bar > 0 && strength[i] >= bar);
  if (side <= SMALL || !there.length) return picture;
  const [rows, columns] = [there.map((i) => Math.floor(i / side)), there.map((i) => i % side)];
  const [top, left] = [Math.min(...rows), Math.min(...columns)];
  // One pixel more on each side, and not so near that a dot looks like a disc.
  const size = Math.min(side, Math.max(SMALL, Math.max(...rows) - top + 3, Math.max(...columns) - left + 3));
  const from = (/** @type {number[]} */ places) => Math.max(0, Math.min(side - size, Math.round((Math.min(...places) + Math.max(...places) + 1 - size) / 2)));
  const [y, x] = [from(rows), from(columns)];
  return Float32Array.from({ length: size * size }, (_, i) => picture[(y + Math.floor(i / size)) * side + x + (i % size)]);
}

const SMALL = 8; // pixels a side that can be told apart on a tile
const FULL = 0.7; // as in all pictures of what is missing or added: full colour from here on
const NAMED = 2; // changes that the words under the pictures have room for
const PALE = 0.1; // less ink than this is not worth a word

/**
 * Where in a picture most of this is, in words, or "" where there is hardly any.
 * @param {number[]} amounts for each pixel, none negative
 */
function whereMost(amounts) {
  const side = Math.sqrt(amounts.length);
  if (Math.max(...amounts) < PALE) return "";
  // The pixel with most of it around, for one alone says little. Each third of the picture has a name.
  const around = amounts.map((_, place) => {
    let sum = 0;
    for (let y = Math.max(0, Math.floor(place / side) - 1); y < Math.min(side, Math.floor(place / side) + 2); y++)
      for (let x = Math.max(0, (place % side) - 1); x < Math.min(side, (place % side) + 2); x++) sum += amounts[y * side + x];
    return sum;
  });
  const most = around.indexOf(Math.max(...around));
  const [y, x] = [Math.floor(most / side), most % side].map((place) => Math.floor((3 * (place + 0.5)) / side));
  const [row, column] = [["top", "", "bottom"][y], ["left", "", "right"][x]];
  return row === "" && column === "" ? "in the middle" : `at the ${[row, column].filter(Boolean).join(" ")}`;
}

/** "a", "a and b", "a, b and c". @param {string[]} words */
const listed = (words) => (words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`);

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    const { labels, features, names, noun, offset, bricks, typical, mean, pictures, codes } = read(model);
    const { controls, stage, say } = explorable(root, model);
    const fullBar = Math.max(...codes.map((code) => Math.max(...code)));

    /** `gains`: of the bricks on the board, where it is not 1; `spare`: the brick that was added, or -1; `last`: the one touched last. */
    const state = { picture: 0, spare: -1, last: -1, gains: /** @type {Map<number, number>} */ (new Map()) };
    const board = () => {
      const own = active(codes[state.picture]);
      return state.spare < 0 || own.includes(state.spare) ? own : [...own, state.spare];
    };
    // Bricks are counted by their place in the box, and called by their number in the model, or by their name.
    const plainName = (/** @type {number} */ feature) => names[feature] || `#${features[feature]}`;
    /** The number goes with a name that stands on the board twice. @param {number} feature */
    function called(feature) {
      const twice = names[feature] && board().some((other) => other !== feature && names[other] === names[feature]);
      return twice ? `${names[feature]} (#${features[feature]})` : plainName(feature);
    }
    const gain = (/** @type {number} */ feature) => state.gains.get(feature) ?? 1;
    /** How strong a brick is at gain 1. @param {number} feature */
    const strength = (feature) => codes[state.picture][feature] || typical[feature];

    /** The sum of these bricks, each so often. @param {[number, number][]} parts */
    function build(parts) {
      const copy = Float32Array.from(offset);
      for (const [feature, amount] of parts) bricks[feature].forEach((value, i) => { copy[i] += amount * value; });
      return copy;
    }
    const untouched = () => build(active(codes[state.picture]).map((feature) => [feature, strength(feature)]));

    /** A picture as the box wrote it. @param {number} picture */
    function start(picture) {
      Object.assign(state, { picture, spare: -1, last: active(codes[picture])[0] });
      state.gains.clear();
    }

    const shared = hashState("board");
    /** What the address says, if it fits: the picture, the spare brick and 1, the last one, and pairs of a brick and its gain in tenths. */
    function restore() {
      const saved = shared.whole();
      const [picture, spare, last, ...pairs] = saved;
      if (saved.length % 2 === 0 || saved.length < 3) return false;
      if (picture >= pictures.length || spare > bricks.length) return false;
      start(picture);
      state.spare = spare - 1;
      const there = board();
      for (let i = 0; i < pairs.length; i += 2) if (there.includes(pairs[i]) && pairs[i + 1] <= 30) state.gains.set(pairs[i], pairs[i + 1] / 10);
      if (there.includes(last)) state.last = last;
      return true;
    }
    const share = () => shared.set([
      state.picture, state.spare + 1, state.last, ...[...state.gains].flatMap(([feature, value]) => [feature, Math.round(10 * value)]),
    ].join("."));

    const [original, plain, switched, effect] = [el("canvas"), el("canvas"), el("canvas"), el("canvas")];
    const effectStation = station("code", "", effect);
    const switches = el("div", { className: "sae-switches", role: "group", "aria-label": "The bricks that are used" });
    /** @type {Map<number, {node: HTMLElement, show: () => void}>} */
    let shown = new Map();

    /** A brick with its switch and its gain. @param {number} feature */
    function makeSwitch(feature) {
      const tile = brick({ number: features[feature], picture: closeUp(bricks[feature]), scale: fullBar });
      const toggle = el("input", { type: "checkbox", id: uniqueId("switch"), onchange: () => turn(feature, toggle.checked ? 1 : 0) });
      const dial = slider({
        label: el("span", {}, "Gain", el("span", { className: "sae-unseen" }, ` of ${called(feature)}`)), min: 0, max: 3, step: 0.1, value: gain(feature),
        words: (value) => `${value.toFixed(1)}×`, onInput: (value) => turn(feature, value),
      });
      const node = el("div", { className: "sae-switch" }, tile.node,
        el("div", { className: "sae-toggle" }, toggle, el("label", { for: toggle.id }, `${called(feature)} on`)), dial.node);
      return {
        node,
        show() {
          toggle.checked = gain(feature) > 0;
          dial.set(gain(feature));
          tile.set(gain(feature) * strength(feature));
          node.classList.toggle("sae-inspected", feature === state.last);
        },
      };
    }

    function layOut() {
      shown = new Map(board().map((feature) => [feature, makeSwitch(feature)]));
      switches.replaceChildren(...[...shown.values()].map(({ node }) => node));
      box.set(state.spare);
      paint(original, pictures[state.picture]);
      paint(plain, untouched());
    }

    function draw() {
      const picture = pictures[state.picture];
      const before = untouched();
      const there = board();
      const after = build(there.map((feature) => [feature, gain(feature) * strength(feature)]));
      paint(switched, after);
      // The copy with the brick minus the copy without it, at the gain that it has, or would have if it were on.
      const amount = (gain(state.last) || 1) * strength(state.last);
      paint(effect, bricks[state.last].map((value) => amount * value), { signed: true, scale: FULL });
      effectStation.lastChild.textContent = `${plainName(state.last)} alone`;
      for (const { show } of shown.values()) show();
      tiles.forEach((tile, feature) => tile.set(there.includes(feature) ? gain(feature) * strength(feature) : 0));

      const it = noun === "digit" ? labels[state.picture] : noun;
      const changed = there.filter((feature) => gain(feature) !== 1 || !(codes[state.picture][feature] > 0));
      const change = (/** @type {number} */ feature) =>
        gain(feature) === 0 ? `${called(feature)} off` : codes[state.picture][feature] > 0 ? `${called(feature)} at ${gain(feature).toFixed(1)}×` : `${called(feature)} added at ${gain(feature).toFixed(1)}×`;
      // A list that grew with each of them would push away the slider that is being dragged.
      const changes = changed.length <= NAMED ? changed.map(change)
        : [...(changed.includes(state.last) ? [change(state.last)] : []), `${changed.length - Number(changed.includes(state.last))} other changes`];
      if (changes.length === 0) return say(`As the box writes this ${it}, with ${there.length} bricks: an error of ${errorPercent(picture, before, mean)}%. Switch one off.`);
      const paper = (/** @type {number} */ ink) => Math.max(0, Math.min(1, ink));
      const [lost, won] = [1, -1].map((sign) => whereMost(Array.from(before, (ink, i) => Math.max(0, sign * (paper(ink) - paper(after[i]))))));
      const moved = listed([lost && `is lost most ${lost}`, won && `is added most ${won}`].filter(Boolean));
      say(`With ${listed(changes)}, the error of this ${it} goes from ${errorPercent(picture, before, mean)}% to ${errorPercent(picture, after, mean)}%. `
        + (moved ? `Ink ${moved}.` : "The ink on the page hardly changes."));
    }

    /** @param {number} feature @param {number} value */
    function turn(feature, value) {
      state.last = feature;
      if (value === 1) state.gains.delete(feature);
      else state.gains.set(feature, value);
      draw();
      share();
    }
    /** @param {number} picture */
    function choose(picture) {
      start(picture);
      layOut();
      draw();
      share();
    }
    /** @param {number} feature */
    function add(feature) {
      // What the brick before it was set to goes with it.
      if (!(codes[state.picture][state.spare] > 0)) state.gains.delete(state.spare);
      state.spare = state.last = feature;
      layOut();
      draw();
      share();
    }

    const tiles = bricks.map((picture, feature) => brick({ number: features[feature], picture: closeUp(picture), scale: fullBar }));
    const box = chooser({
      label: `One brick more, from all ${bricks.length} in the box`, value: -1, onInput: add,
      choices: tiles.map(({ node }, feature) => ({ name: [`brick ${features[feature]}`, names[feature]].filter(Boolean).join(", "), face: node })),
    });
    box.node.classList.add("sae-box");
    // Names are longer than numbers.
    stage.classList.toggle("sae-named", names.some(Boolean));

    if (!restore()) {
      start(model.get("first"));
      // Without the brick that is missed most.
      const picture = pictures[state.picture];
      const own = active(codes[state.picture]);
      const without = own.map((gone) => squaredError(picture, build(own.filter((feature) => feature !== gone).map((feature) => [feature, strength(feature)]))));
      state.last = own[without.indexOf(Math.max(...without))];
      state.gains.set(state.last, 0);
    }
    controls.append(chooser({
      label: noun[0].toUpperCase() + noun.slice(1), value: state.picture, onInput: choose,
      choices: pictures.map((picture, i) => {
        const face = el("canvas");
        paint(face, picture);
        return { name: noun === "digit" ? article(labels[i]) : `${noun} ${i + 1}`, face };
      }),
    }).node);
    // The pictures, and what they come to in words: both are seen from every switch.
    const words = /** @type {HTMLElement} */ (stage.parentElement?.querySelector(".sae-readout"));
    stage.append(
      el("div", { className: "sae-stay" },
        el("div", { className: "sae-row sae-stations" }, station("input", `the ${noun}`, original), station("reconstruction", "the box's copy", plain),
          station("reconstruction", "your copy", switched), effectStation),
        words),
      el("p", { className: "sae-label" }, "Its bricks, strongest first:"), switches, box.node,
      el("button", { type: "button", name: "reset", onclick: () => choose(state.picture) }, "Everything back as it was"));
    layOut();
    draw();
  },
};
