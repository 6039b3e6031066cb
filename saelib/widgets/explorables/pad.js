import { el, holdFinger, paint } from "../common.js";

// As the handwritten digits were made: a bitmap of 32x32, of which 8x8 blocks of 4x4 are counted.
const FINE = 32;
const COARSE = 8;
const BLOCK = FINE / COARSE;
const BRUSH = 2.1; // its radius in the bitmap: as thick as the strokes of the data

/**
 * A pad of 8x8 pixels to draw on: with a pointer, or with the arrow keys and the space bar.
 * @param {{label: string, onInput: (pixels: Float32Array) => void}} options
 * @returns {{node: HTMLCanvasElement, show: (pixels: ArrayLike<number>) => void}} `show` puts a picture on the pad
 */
export function pad({ label, onInput }) {
  /** @type {HTMLCanvasElement} */
  const canvas = el("canvas", {
    className: "sae-pad", tabIndex: 0, role: "application", "aria-roledescription": "drawing pad",
    "aria-label": `${label}, ${COARSE} by ${COARSE} pixels. Draw with the pointer, or move with the arrow keys and press space to ink or clear a pixel.`,
  });
  /** Shares of ink of the 8x8 pixels, and the fine bitmap of what the pointer has drawn since the last `show`. */
  let pixels = new Float32Array(COARSE * COARSE);
  let bitmap = new Uint8Array(FINE * FINE);
  let cursor = { x: 3, y: 3 };
  /** @type {{x: number, y: number}|null} */
  let last = null;

  const draw = () => {
    paint(canvas, pixels);
    if (document.activeElement !== canvas || !canvas.matches(":focus-visible")) return;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.fillStyle = "rgba(128, 128, 128, .55)";
    context.fillRect(cursor.x, cursor.y, 1, 1);
  };
  const changed = () => { draw(); onInput(pixels); };

  const place = (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    return { x: ((event.clientX - box.left) / box.width) * FINE, y: ((event.clientY - box.top) / box.height) * FINE };
  };
  function stroke(/** @type {{x: number, y: number}} */ from, /** @type {{x: number, y: number}} */ to) {
    const steps = Math.ceil(Math.hypot(to.x - from.x, to.y - from.y)) + 1;
    for (let step = 0; step <= steps; step++) {
      const x = from.x + ((to.x - from.x) * step) / steps;
      const y = from.y + ((to.y - from.y) * step) / steps;
      for (let row = 0; row < FINE; row++) {
        for (let column = 0; column < FINE; column++) {
          if (Math.hypot(column + 0.5 - x, row + 0.5 - y) > BRUSH || bitmap[row * FINE + column]) continue;
          bitmap[row * FINE + column] = 1;
          const pixel = Math.floor(row / BLOCK) * COARSE + Math.floor(column / BLOCK);
          pixels[pixel] = Math.min(1, pixels[pixel] + 1 / (BLOCK * BLOCK));
        }
      }
    }
    changed();
  }
  holdFinger(canvas);
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    last = place(event);
    stroke(last, last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last === null) return;
    const next = place(event);
    stroke(last, next);
    last = next;
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
  for (const turn of ["focus", "blur"]) canvas.addEventListener(turn, draw);
  canvas.addEventListener("keydown", (event) => {
    /** @type {Record<string, number[]>} */
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const [dx, dy] = moves[event.key] ?? [0, 0];
    if (event.key !== " " && dx === 0 && dy === 0) return;
    event.preventDefault();
    // In a notebook the arrow keys and the space bar also move between cells.
    event.stopPropagation();
    const inside = (/** @type {number} */ value) => Math.max(0, Math.min(COARSE - 1, value));
    cursor = { x: inside(cursor.x + dx), y: inside(cursor.y + dy) };
    if (event.key !== " ") return draw();
    const pixel = cursor.y * COARSE + cursor.x;
    pixels[pixel] = pixels[pixel] > 0.5 ? 0 : 1;
    changed();
  });
  return {
    node: canvas,
    show(picture) {
      pixels = Float32Array.from(picture);
      bitmap = new Uint8Array(FINE * FINE);
      draw();
    },
  };
}
