import { brick, chooser, el, explorable, floats, hashState, paint, sign, slider, station } from "../common.js";

const LIGHT = [0.2126, 0.7152, 0.0722]; // how bright red, green and blue look, as in saelib.data.gray

/** @param {{get: (name: string) => any}} model */
function read(model) {
  const [rows, columns, size, drawers] = model.get("shape");
  const features = model.get("features");
  const [n, side] = [rows * columns, size * size];
  const bytes = (/** @type {string} */ name) => {
    const view = model.get(name);
    return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  };
  const numbers = floats(model.get("numbers"));
  const largest = numbers.subarray(side, side + features.length);
  const bricks = Float32Array.from(new Int8Array(bytes("bricks")), (value, i) => (value * largest[Math.floor(i / side)]) / 127);
  const codes = bytes("codes");
  const strengths = Float32Array.from(new Int16Array(codes, 2 * drawers * n), (value) => (value * numbers[side + features.length]) / 32767);
  return {
    rows, columns, size, drawers, n, side, features, bricks, strengths, offset: numbers.subarray(0, side),
    places: new Uint16Array(codes, 0, drawers * n), photo: new Uint8Array(bytes("photo")),
  };
}

/**
 * What of a photograph is not rebuilt but kept: for each patch its mean brightness, and for each pixel its colour less its
 * brightness, drawn smoothly between the means of the patches.
 * @param {ReturnType<typeof read>} data
 */
function keep({ rows, columns, size, n, side, photo }) {
  const width = columns * size;
  const light = new Float32Array(n * side); // patch by patch
  const mean = new Float32Array(n);
  const tint = new Float32Array(3 * n);
  for (let patch = 0; patch < n; patch++) {
    for (let i = 0; i < side; i++) {
      const at = 3 * ((Math.floor(patch / columns) * size + Math.floor(i / size)) * width + (patch % columns) * size + (i % size));
      let own = 0;
      for (let part = 0; part < 3; part++) {
        own += (LIGHT[part] * photo[at + part]) / 255;
        tint[3 * patch + part] += photo[at + part] / 255 / side;
      }
      light[patch * side + i] = own;
      mean[patch] += own / side;
    }
    for (let part = 0; part < 3; part++) tint[3 * patch + part] -= mean[patch];
    for (let i = 0; i < side; i++) light[patch * side + i] -= mean[patch];
  }
  const colour = new Float32Array(3 * n * side); // row by row of the photograph
  // A pixel lies between the middles of two patches in each direction; at the rim there is only one.
  const between = (/** @type {number} */ pixel, /** @type {number} */ most) => {
    const at = Math.max(0, Math.min(most - 1, (pixel + 0.5) / size - 0.5));
    return [Math.floor(at), Math.min(most - 1, Math.floor(at) + 1), at - Math.floor(at)];
  };
  for (let y = 0, at = 0; y < rows * size; y++) {
    const [top, bottom, down] = between(y, rows);
    for (let x = 0; x < width; x++) {
      const [left, right, across] = between(x, columns);
      for (let part = 0; part < 3; part++, at++) {
        const of = (/** @type {number} */ row) =>
          (1 - across) * tint[3 * (row * columns + left) + part] + across * tint[3 * (row * columns + right) + part];
        colour[at] = (1 - down) * of(top) + down * of(bottom);
      }
    }
  }
  return { light, mean, colour };
}

const VIEWS = ["the copy", "what is missing", "what bricks add"];

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    const data = read(model);
    const { rows, columns, size, drawers, n, side, features, bricks, strengths, offset, places, photo } = data;
    const { light, mean, colour } = keep(data);
    const [width, height] = [columns * size, rows * size];
    const named = /** @type {[string, number, number][]} */ (model.get("places"));
    const { controls, stage, say } = explorable(root, model);

    const shared = hashState("rebuild");
    const saved = shared.whole();
    const fits = saved.length === 3 && saved.every((value, i) => value < [drawers + 1, n, VIEWS.length][i]);
    const [k, patch, view] = fits ? saved : [model.get("start"), named[0][1] * columns + named[0][2], 0];
    const state = { k, patch, view };

    const original = el("canvas", { className: "sae-photo", role: "img", "aria-label": model.get("alt"), width, height });
    const copy = el("canvas", {
      className: "sae-photo sae-pick", width, height, tabIndex: 0, role: "application", "aria-roledescription": "photograph in patches",
      "aria-label": `The copy, ${rows} rows of ${columns} patches. Move with the arrow keys to see the bricks of a patch; space leads to the patch that is missed most.`,
    });
    const [asked, made] = [el("canvas"), el("canvas")];
    const tiles = el("div", { className: "sae-row" });
    const title = el("p", { className: "sae-label" });
    stage.append(
      el("div", { className: "sae-photos" }, station("input", "the photograph", original), station("reconstruction", "", copy)),
      title,
      el("div", { className: "sae-row sae-place" }, station("input", "this patch", asked), sign("≈"), station("reconstruction", "its copy", made), sign("="), tiles));
    const copyName = /** @type {HTMLElement} */ (copy.closest(".sae-station")?.lastChild);

    /** What the first k drawers make of each patch, without its mean; and the squared error of each. */
    const rebuilt = new Float32Array(n * side);
    const errors = new Float32Array(n);
    function rebuild() {
      for (let patch = 0; patch < n; patch++) {
        const at = patch * side;
        rebuilt.set(offset, at);
        for (let drawer = 0; drawer < state.k; drawer++) {
          const use = drawer * n + patch;
          const [from, strength] = [places[use] * side, strengths[use]];
          for (let i = 0; i < side; i++) rebuilt[at + i] += strength * bricks[from + i];
        }
        let sum = 0;
        for (let i = at; i < at + side; i++) sum += (light[i] - rebuilt[i]) ** 2;
        errors[patch] = sum;
      }
    }

    // Pictures that are made by hand, pixel by pixel, are drawn sooner where they lie in memory.
    const contexts = [original, copy].map((canvas) => canvas.getContext("2d", { willReadFrequently: true }));
    const images = contexts.map((context) => context.createImageData(width, height));
    for (let i = 0; i < width * height; i++) images[0].data.set([photo[3 * i], photo[3 * i + 1], photo[3 * i + 2], 255], 4 * i);

    function fill() {
      const pixels = images[1].data;
      for (let patch = 0; patch < n; patch++) {
        const corner = Math.floor(patch / columns) * size * width + (patch % columns) * size;
        // Full colour where a pixel of the patch is off by a tenth of the way from black to white.
        let share = 0;
        if (state.view === 1) share = Math.sqrt(errors[patch] / side) * 10;
        if (state.view === 2) {
          for (let i = patch * side; i < (patch + 1) * side; i++) share += rebuilt[i] ** 2;
          share = Math.sqrt(share / side) * 10;
        }
        const [red, green, blue] = state.view === 1 ? [213, 94, 0] : [204, 121, 167];
        for (let i = 0; i < side; i++) {
          const at = corner + Math.floor(i / size) * width + (i % size);
          const own = state.view === 0 ? mean[patch] + rebuilt[patch * side + i] : 0;
          // A clamped array rounds, and cuts off what is below 0 or above 255.
          pixels[4 * at] = state.view ? red : 255 * (own + colour[3 * at]);
          pixels[4 * at + 1] = state.view ? green : 255 * (own + colour[3 * at + 1]);
          pixels[4 * at + 2] = state.view ? blue : 255 * (own + colour[3 * at + 2]);
          pixels[4 * at + 3] = state.view ? 255 * share : 255;
        }
      }
    }

    /** The photograph and its copy, each with a frame around the patch that is looked at. */
    function show() {
      const [x, y] = [(state.patch % columns) * size, Math.floor(state.patch / columns) * size];
      contexts.forEach((context, i) => {
        context.putImageData(images[i], 0, 0);
        for (const [style, line] of [["#000", 4], ["#fff", 2]]) {
          Object.assign(context, { strokeStyle: style, lineWidth: line });
          context.strokeRect(x - 2, y - 2, size + 4, size + 4);
        }
      });
    }

    function inspect() {
      const at = state.patch * side;
      const own = light.subarray(at, at + side);
      const scale = Math.max(0.02, ...own.map(Math.abs));
      paint(asked, own, { signed: true, scale });
      paint(made, rebuilt.subarray(at, at + side), { signed: true, scale });
      const uses = Array.from({ length: drawers }, (_, drawer) => drawer * n + state.patch);
      const most = Math.max(...uses.map((use) => Math.abs(strengths[use])));
      tiles.replaceChildren(...uses.slice(0, state.k).map((use) => {
        // A brick that takes part with a minus is shown turned over: dark where it was light.
        const turned = strengths[use] < 0 ? -1 : 1;
        const tile = brick({
          number: features[places[use]], scale: most,
          picture: bricks.subarray(places[use] * side, (places[use] + 1) * side).map((value) => turned * value),
        });
        tile.set(Math.abs(strengths[use]));
        // Strengths here are a few tenths: two places say more than one.
        /** @type {Element} */ (tile.node.querySelector(".sae-strength")).textContent = `× ${Math.abs(strengths[use]).toFixed(2)}`;
        return tile.node;
      }));
      title.textContent = `The patch in row ${Math.floor(state.patch / columns) + 1}, column ${(state.patch % columns) + 1}, less its mean, and its bricks:`;
      copyName.textContent = ["its copy", "how much is missing", "how much the bricks add"][state.view];
      const energy = own.reduce((sum, value) => sum + value * value, 0);
      const share = Math.round(100 * Math.max(0, 1 - errors[state.patch] / Math.max(energy, 1e-12)));
      const decibels = -10 * Math.log10(errors.reduce((sum, error) => sum + error, 0) / (n * side));
      say(`${state.k === 0 ? "No bricks" : state.k === 1 ? "One brick" : `${state.k} bricks`} a patch: ${decibels.toFixed(1)} dB over the whole photograph. `
        + `Of this patch's detail, ${share}% is there.`);
    }

    /** @param {Partial<typeof state>} news */
    function turn(news) {
      const moved = "patch" in news;
      Object.assign(state, news);
      if ("k" in news) rebuild();
      if (!moved) fill();
      show();
      inspect();
      if (moved) landmarks.set(landmark());
      shared.set(`${state.k}.${state.patch}.${state.view}`);
    }
    const landmark = () => named.findIndex(([, row, column]) => row * columns + column === state.patch);
    const landmarks = chooser({
      label: "Look at", value: landmark(), choices: named.map(([name]) => ({ name, face: name })),
      onInput: (i) => turn({ patch: named[i][1] * columns + named[i][2] }),
    });
    controls.append(
      slider({
        label: "Bricks a patch", min: 0, max: drawers, value: state.k,
        words: (value) => `${value} brick${value === 1 ? "" : "s"}`, onInput: (value) => turn({ k: value }),
      }).node,
      landmarks.node,
      chooser({
        label: "Show", value: state.view, choices: VIEWS.map((name) => ({ name, face: name })), onInput: (view) => turn({ view }),
      }).node);

    copy.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      const box = copy.getBoundingClientRect();
      const part = (/** @type {number} */ share, /** @type {number} */ most) => Math.max(0, Math.min(most - 1, Math.floor(share * most)));
      turn({ patch: part((event.clientY - box.top) / box.height, rows) * columns + part((event.clientX - box.left) / box.width, columns) });
    });
    copy.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] ?? [0, 0];
      if (event.key !== " " && dx === 0 && dy === 0) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key === " ") return turn({ patch: errors.indexOf(Math.max(...errors)) });
      const [x, y] = [(state.patch % columns) + dx, Math.floor(state.patch / columns) + dy];
      if (x >= 0 && x < columns && y >= 0 && y < rows) turn({ patch: y * columns + x });
    });
    rebuild();
    fill();
    show();
    inspect();
  },
};
