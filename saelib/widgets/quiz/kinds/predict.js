// A guess on a slider, before the true value is shown.

import { el, undoWhenScrolled, uniqueId } from "../../common.js";
import { KINDS } from "../kind.js";
import { markup, mistake } from "../markup.js";

/** @typedef {{guess: number, first?: number}} Guess what predict.py says of it */

/** A value as it is said: "34%", "12 bricks". @param {any} question @param {number} value */
function said({ step, unit = "" }, value) {
  // A slider knows no more digits than its step has, and the true value is told as finely as a guess can be.
  const [, decimals = "", power = "0"] = /^\d*\.?(\d*)(?:e(.*))?$/.exec(String(step)) ?? [];
  const number = Number(value.toFixed(Math.max(0, decimals.length - Number(power))));
  return `${number}${unit === "" || /^[%‰°′″]/.test(unit) ? "" : "\u00a0"}${unit}`.replace("-", "−");
}

const isGood = (/** @type {any} */ question, /** @type {Guess} */ { guess }) =>
  Math.abs(guess - question.value) <= question.tolerance * (1 + 1e-9);

KINDS.predict = {
  note: "Guess first; then you see what it is.",
  retry: "Move the slider and check again if you like: it costs nothing, and your first guess stays marked.",
  fits(question, answer) {
    const { guess, first, ...more } = Object(answer);
    return [guess, first ?? guess].every((each) => typeof each === "number" && each >= question.min && each <= question.max)
      && first !== null && Object.keys(more).length === 0;
  },
  isRight: isGood,
  feedback(question, answer) {
    const { guess, first } = answer;
    const after = first === undefined ? "" : `, after a first guess of ${said(question, first)}`;
    const both = `You said ${said(question, guess)}${after}. It is ${said(question, question.value)}.`;
    if (isGood(question, answer)) return [[both], markup(question.feedback)];
    return [[both], mistake(guess < question.value ? question.too_low : question.too_high)];
  },
  controls(question, onChange) {
    const { min, max, step, words = { low: "", high: "" } } = question;
    const id = uniqueId("guess");
    const middle = String((min + max) / 2);
    const input = el("input", { type: "range", id, min, max, step, value: middle });
    // Seen only: a screen reader has it from the slider itself.
    const bubble = el("span", { className: "sae-quiz-bubble", "aria-hidden": "true" });
    const first = el("span", { className: "sae-quiz-first", hidden: true });
    const truth = el("span", { className: "sae-quiz-truth", hidden: true }, el("span", {}, `It is ${said(question, question.value)}`));
    const place = (/** @type {HTMLElement} */ node, /** @type {number} */ value) =>
      node.style.setProperty("--at", String((value - min) / (max - min)));
    place(truth, question.value);
    const ends = el("div", { className: "sae-quiz-ends" },
      ...[[min, words.low], [max, words.high]].map(([value, word]) =>
        el("span", {}, said(question, value), ...(word ? [" ", el("span", {}, ...markup(word))] : []))));
    // The marks say in place what the status says in words.
    const track = el("div", { className: "sae-quiz-track" }, bubble, input,
      el("div", { "aria-hidden": "true" }, first, truth), ends);

    // A slider always stands somewhere: only what the reader has done with it is a guess.
    let guessed = false;
    /** @type {Guess|undefined} */
    let checked;
    function show() {
      bubble.textContent = guessed ? said(question, Number(input.value)) : "no guess yet";
      input.setAttribute("aria-valuetext", bubble.textContent);
      track.classList.toggle("sae-quiz-guessed", guessed);
      place(track, Number(input.value));
    }
    /** Whether a finger is down on the slider: until it is lifted, it may be one that scrolls, and has said nothing. */
    let [finger, moved] = [false, false];
    function guess() {
      guessed = moved = true;
      show();
      if (!finger) onChange();
    }
    undoWhenScrolled(input, () => {
      [finger, moved] = [true, false];
      return { guessed, value: input.value };
    }, (before) => {
      finger = false;
      guessed = before.guessed;
      input.value = before.value;
      show();
    });
    input.addEventListener("pointerup", () => {
      if (finger && moved) onChange();
      finger = false;
    });
    input.addEventListener("input", guess);
    // Who believes in the middle presses the slider where it stands: by pointer, or with the keys that press anything.
    input.addEventListener("click", () => { if (!guessed) guess(); });
    input.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      if (guessed || (event.key !== "Enter" && event.key !== " ")) return;
      event.preventDefault();
      guess();
    });
    show();

    /** What is known stays shown, also while the reader moves on to another guess. @param {Guess|undefined} answer */
    function reveal(answer) {
      checked = answer;
      truth.hidden = answer === undefined;
      first.hidden = answer?.first === undefined;
      place(first, answer?.first ?? min);
    }
    return {
      node: el("div", { className: "sae-quiz-predict" }, el("label", { for: id }, "Your guess"), track),
      read() {
        if (!guessed) return undefined;
        const now = Number(input.value);
        const before = checked?.first ?? checked?.guess ?? now;
        return before === now ? { guess: now } : { guess: now, first: before };
      },
      missing: () => "Move the slider to your guess first.",
      draft: () => (guessed ? input.value : undefined),
      redraft(draft) {
        if (typeof draft !== "string" || !(Number(draft) >= min && Number(draft) <= max)) return false;
        guessed = true;
        input.value = draft;
        show();
        return true;
      },
      write(answer) {
        guessed = answer !== undefined;
        input.value = guessed ? String(answer.guess) : middle;
        reveal(answer);
        show();
      },
      mark(answer) {
        if (answer !== undefined) reveal(answer);
      },
    };
  },
};
