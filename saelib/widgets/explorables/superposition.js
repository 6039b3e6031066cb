import { change, chart, draw } from "./chart.js";
import { el, explorable, hashState, slider } from "../common.js";
import { KEPT, measureToy, RECIPE, shapeOf, startToy, trainToy } from "./toy_model.js";

const FEATURES = 5;
/** How long a training is to be watched: so many frames, and a picture of no more than 60 a second. */
const FRAMES = 75;
const SHORTEST = 12; // milliseconds from frame to frame
const PATIENCE = 75; // frames that the arrows go on settling under a hand that does not move
const REACH = 1.45; // the longest arrow that there is room for

/** What shape the kept arrows have, in words. @param {number[]} gaps the angles from each to the next */
function nameOf(gaps) {
  const near = (/** @type {number} */ angle) => gaps.every((gap) => Math.abs(gap - angle) < 8);
  const rounded = gaps.map(Math.round);
  const [least, most] = [Math.min(...rounded), Math.max(...rounded)];
  const apart = `${least === most ? "" : `${least}° to `}${most}° apart`;
  if (gaps.length === 5 && near(72)) return `, in a pentagon, ${apart}`;
  if (gaps.length === 4 && near(90)) return `, in two pairs back to back, ${apart}`;
  if (gaps.length === 2) return `, ${least}° apart`;
  return gaps.length > 2 ? `, ${rounded.slice(0, -1).map((gap) => `${gap}°`).join(", ")} and ${rounded.at(-1)}° apart` : "";
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    const { controls, stage, say } = explorable(root, model);
    // Asked once, for the question makes the browser lay out the page.
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const shared = hashState("toy");
    const saved = shared.whole();
    const fits = saved.length === 3 && saved[0] <= 99
      && saved[1] >= 50 && saved[1] <= 100 && saved[2] > 0;
    const [sparsity, decay, seed] = fits ? saved : ["sparsity", "decay", "seed"].map((name) => model.get(name));
    /** `mode`: at rest, in training, halted on the way, or led by a hand on a slider. */
    const state = { sparsity, decay, seed, mode: /** @type {"rest"|"training"|"halted"|"led"} */ ("rest") };
    let toy = startToy(seed, FEATURES);
    /** What the last steps of training were wrong by. */
    let error = NaN;
    /** @type {[number, number][]} steps, and the error over those before them */
    let curve = [];

    const world = () => ({
      sparsity: state.sparsity / 100,
      importance: Array.from({ length: FEATURES }, (_, i) => (state.decay / 100) ** i),
      settle: state.mode !== "led",
    });
    function step() {
      // Small steps at first, when there is most to see.
      const steps = state.mode === "led" ? 20 : Math.max(1, Math.round(RECIPE.steps * ((curve.length + 1) / FRAMES) ** 2) - toy.steps);
      error = trainToy(toy, steps, world());
      if (state.mode !== "led") curve.push([toy.steps, error]);
    }

    // The plane of the two numbers. What is drawn there has y upwards.
    const arrows = Array.from({ length: FEATURES }, (_, i) => ({
      shaft: draw("line", {}), head: draw("path", {}), name: draw("text", { "text-anchor": "middle" }, String(i + 1)),
    }));
    const plane = draw("svg", { viewBox: "-112 -112 224 224", class: "sae-arrows", role: "img" },
      draw("path", { d: "M-96 0H96M0 -96V96", class: "sae-grid" }),
      draw("circle", { r: 100 / REACH, class: "sae-grid" }),
      // In the corners, where no arrow and no name of one can reach.
      draw("text", { x: 109, y: 107, "text-anchor": "end", class: "sae-small" }, "first number →"),
      draw("text", { x: -109, y: -102, "text-anchor": "start", class: "sae-small" }, "↑ second number"),
      ...arrows.map(({ shaft, head, name }) => draw("g", {}, shaft, head, name)));
    const chips = Array.from({ length: FEATURES }, (_, i) => {
      const counts = el("span", { className: "sae-name" });
      const bar = el("span", { className: "sae-bar" });
      return { node: el("li", { className: "sae-brick" }, el("b", {}, String(i + 1)), bar, counts), bar, counts };
    });
    const loss = chart({
      name: "The error falls as training goes on.",
      x: { label: "steps of training", low: 1, high: RECIPE.steps, log: true, ticks: [[1, "1"], [10, "10"], [100, "100"], [1000, "1,000"]] },
      y: { label: "Error while training", low: 0, high: 1, ticks: [[0, "0%"], [0.5, "50%"], [1, "100%"]] },
    });
    const line = draw("path", { class: "sae-line sae-error" });
    const tip = draw("circle", { r: 4.5, class: "sae-point sae-error" });
    loss.ground.append(line, tip);
    // What comes back of each feature that is there alone and in full, before the cut: W'W, and below it the constants.
    const rows = Array.from({ length: FEATURES + 1 }, () => Array.from({ length: FEATURES }, () => el("td")));
    const returned = el("table", { className: "sae-returned" },
      el("caption", {}, "What each feature brings back when it is alone"),
      el("tr", {}, el("td"), ...rows[0].map((_, i) => el("th", { scope: "col" }, `to ${i + 1}`))),
      ...rows.map((cells, i) => el("tr", {}, el("th", { scope: "row" }, cells === rows[FEATURES] ? "always" : `of ${i + 1}`), ...cells)));
    const figure = el("div", { className: "sae-toy" },
      el("div", {}, el("p", { className: "sae-label" }, "The five features, as arrows"), plane),
      el("div", {},
        el("p", { className: "sae-label" }, "Filled: kept. Below: how much each counts."), el("ol", { className: "sae-chips", "aria-hidden": "true" }, ...chips.map(({ node }) => node)),
        loss.node),
      returned);
    stage.append(figure);

    function show() {
      const { lengths, kept, gaps } = shapeOf(toy);
      arrows.forEach(({ shaft, head, name }, i) => {
        const [x, y] = [toy.W[i], -toy.W[FEATURES + i]].map((value) => (100 / REACH) * value);
        const length = Math.hypot(x, y) || 1;
        const [ahead, aside] = [x / length, y / length];
        const size = Math.min(9, length / 2);
        const at = (/** @type {number} */ back, /** @type {number} */ out) =>
          `${(x - back * ahead - out * aside).toFixed(2)} ${(y - back * aside + out * ahead).toFixed(2)}`;
        change(shaft, { x2: (x - size * ahead).toFixed(2), y2: (y - size * aside).toFixed(2) });
        change(head, { d: `M${at(0, 0)}L${at(size, size / 2)}L${at(size, -size / 2)}Z` });
        change(name, { x: (x + 9 * ahead).toFixed(2), y: (y + 9 * aside + 3).toFixed(2) });
        shaft.parentNode.setAttribute("class", lengths[i] >= KEPT ? "sae-on" : "sae-off");
        name.setAttribute("visibility", lengths[i] > 0.2 ? "visible" : "hidden");
        chips[i].bar.style.setProperty("--share", String(lengths[i] / REACH));
        chips[i].node.classList.toggle("sae-on", lengths[i] >= KEPT);
      });
      rows.forEach((cells, i) => cells.forEach((node, j) => {
        const value = i < FEATURES ? toy.W[i] * toy.W[j] + toy.W[FEATURES + i] * toy.W[FEATURES + j] : toy.b[j];
        node.textContent = value.toFixed(1).replace("-", "−");
        node.style.setProperty("--share", `${50 * Math.min(1, Math.abs(value))}%`);
        node.classList.toggle("sae-less", value < 0);
      }));
      const count = kept.length === FEATURES ? `all ${FEATURES} have` : `${kept.length} of the ${FEATURES} ${kept.length === 1 ? "has" : "have"}`;
      const words = `${count} an arrow${nameOf(gaps)}.`;
      plane.setAttribute("aria-label", `Arrows from the middle of a plane: ${words}`);
      // A hand and a frame can't wait for an exact measure.
      const wrong = state.mode === "rest" || still ? measureToy(toy, world()) : error;
      change(line, { d: loss.path(curve) });
      const end = curve.at(-1);
      change(tip, end ? { cx: loss.x(end[0]), cy: loss.y(end[1]), visibility: "visible" } : { visibility: "hidden" });
      const rare = state.sparsity === 0 ? "always there" : `absent ${state.sparsity}% of the time`;
      const stale = state.mode === "led" && still;
      const where = stale ? "These arrows were trained for other features. "
        : state.mode === "training" || state.mode === "halted" ? `Step ${toy.steps.toLocaleString("en")} of ${RECIPE.steps.toLocaleString("en")}. ` : "";
      say(`${where}With features ${rare}, ${words}${Number.isNaN(wrong) ? "" : ` Error: ${Math.round(100 * wrong)}%.`}`);
      figure.setAttribute("aria-busy", String(state.mode === "training"));
      plane.classList.toggle("sae-faded", stale);
      go.textContent = { rest: "Train again", led: "Train again", training: "Pause", halted: "Go on" }[state.mode];
    }

    // Frame by frame, as long as there is something to see and somebody who sees it.
    let [seen, frame, last, idle] = [true, 0, 0, 0];
    const awake = () => seen && !document.hidden && !still && (state.mode === "training" || state.mode === "led");
    function tick(/** @type {number} */ now) {
      frame = 0;
      if (!awake()) return;
      if (now - last >= SHORTEST) {
        last = now;
        step();
        if (state.mode === "led" ? ++idle > PATIENCE : toy.steps >= RECIPE.steps) state.mode = "rest";
        show();
      }
      wake();
    }
    function wake() {
      if (awake() && frame === 0) frame = requestAnimationFrame(tick);
    }

    function train() {
      toy = startToy(state.seed, FEATURES);
      error = NaN;
      curve = [];
      state.mode = "training";
      // Who wants no motion gets the end of it at once.
      if (still) finish();
      show();
      wake();
    }
    function finish() {
      while (toy.steps < RECIPE.steps) step();
      state.mode = "rest";
    }
    /** A hand leads: the arrows that are there follow. @param {Partial<typeof state>} news */
    function lead(news) {
      Object.assign(state, news);
      if (state.mode !== "led") {
        state.mode = "led";
        curve = [];
        toy.first.fill(0);
        toy.second.fill(0);
        toy.steps = 0;
      }
      idle = 0;
      share();
      if (news.decay !== undefined) label();
      show();
      wake();
    }
    const release = () => { if (!still) train(); };
    const share = () => shared.set([state.sparsity, state.decay, state.seed].join("."));
    const label = () => chips.forEach(({ counts }, i) => { counts.textContent = `× ${((state.decay / 100) ** i).toFixed(2)}`; });

    const go = el("button", {
      type: "button",
      onclick() {
        if (state.mode === "training") state.mode = "halted";
        else if (state.mode === "halted") state.mode = "training";
        else return train();
        show();
        wake();
      },
    });
    controls.append(
      slider({
        label: "Sparsity", min: 0, max: 99, value: state.sparsity,
        words: (percent) => `${percent}%`, onInput: (percent) => lead({ sparsity: percent }), onRelease: release,
      }).node,
      slider({
        label: "Importance", min: 50, max: 100, step: 5, value: state.decay,
        words: (percent) => (percent === 100 ? "equal" : `× ${(percent / 100).toFixed(2)}`), onInput: (percent) => lead({ decay: percent }), onRelease: release,
      }).node,
      el("div", { className: "sae-row" }, go,
        el("button", { type: "button", onclick() { state.seed++; share(); train(); } }, "Another start")));

    finish();
    label();
    show();
    const watch = new IntersectionObserver(([entry]) => { seen = entry.isIntersecting; wake(); });
    watch.observe(stage);
    document.addEventListener("visibilitychange", wake);
    return () => {
      watch.disconnect();
      document.removeEventListener("visibilitychange", wake);
      cancelAnimationFrame(frame);
    };
  },
};
