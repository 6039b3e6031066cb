// Matrix products: in WebAssembly where a browser has its SIMD instructions, in plain JavaScript elsewhere.
import { simdModule } from "./simd.js";

/** Rows are so many numbers long, or a multiple: what is missing is filled with zeros. */
const STEP = 8;
/** @param {number} length */
export const padded = (length) => STEP * Math.ceil(length / STEP);

/**
 * y[t, r] = bias[r] + the sum over i of w[r, i] x[t, i], for n rows of x and `rows` of w; all of them lie in `floats`, and each is
 * given by the place of its first number, and by how far its rows are apart. `size`, the length of the rows, is a multiple of STEP.
 * @param {Float32Array} floats
 * @param {number} x @param {number} xStep @param {number} n
 * @param {number} w @param {number} wStep @param {number} size
 * @param {number} bias @param {number} rows
 * @param {number} y @param {number} yStep
 */
function plainProduct(floats, x, xStep, n, w, wStep, size, bias, rows, y, yStep) {
  for (let r = 0; r < rows; r++, w += wStep, bias++) {
    let t = 0, a = x;
    // Four rows of x at a time share each number of w that is fetched.
    for (; t + 4 <= n; t += 4, a += 4 * xStep) {
      let first = floats[bias], second = first, third = first, fourth = first;
      const b = a + xStep, c = b + xStep, d = c + xStep;
      for (let i = 0; i < size; i++) {
        const weight = floats[w + i];
        first += weight * floats[a + i];
        second += weight * floats[b + i];
        third += weight * floats[c + i];
        fourth += weight * floats[d + i];
      }
      const at = y + t * yStep + r;
      floats[at] = first;
      floats[at + yStep] = second;
      floats[at + 2 * yStep] = third;
      floats[at + 3 * yStep] = fourth;
    }
    for (; t < n; t++, a += xStep) {
      let first = floats[bias], second = 0, third = 0, fourth = 0;
      for (let i = 0; i < size; i += 4) {
        first += floats[w + i] * floats[a + i];
        second += floats[w + i + 1] * floats[a + i + 1];
        third += floats[w + i + 2] * floats[a + i + 2];
        fourth += floats[w + i + 3] * floats[a + i + 3];
      }
      floats[y + t * yStep + r] = first + second + (third + fourth);
    }
  }
}

/** The compiled module; null where there is none, or a page's rules (CSP) forbid it. @type {any} */
let compiled;
/** @param {any} memory of a page's WebAssembly */
function simdProduct(memory) {
  const { Instance, Module, validate } = /** @type {any} */ (globalThis).WebAssembly;
  if (compiled === undefined) {
    const bytes = simdModule();
    compiled = validate(bytes) ? new Module(bytes) : null;
  }
  return compiled && new Instance(compiled, { page: { memory } }).exports.product;
}

/**
 * Numbers in parts that have names, and the products of what lies there.
 * All of them lie in one memory, for that is what WebAssembly sees.
 */
export class Arena {
  /** @param {Record<string, number>} parts how many numbers each has */
  constructor(parts) {
    /** Where each part begins. @type {Record<string, number>} */
    this.at = {};
    let length = 0;
    for (const [name, size] of Object.entries(parts)) {
      this.at[name] = length;
      length += padded(size);
    }
    /** @type {any} */
    this.product = null;
    try {
      const memory = new /** @type {any} */ (globalThis).WebAssembly.Memory({ initial: Math.ceil(length / 16_384) });
      this.floats = new Float32Array(memory.buffer);
      this.product = simdProduct(memory);
    } catch {
      // No WebAssembly here.
    }
    this.floats = this.product ? /** @type {Float32Array} */ (this.floats) : new Float32Array(length);
    /** Whether the products are WebAssembly's. */
    this.simd = Boolean(this.product);
  }

  /** Fill a part with rows, each padded with zeros. @param {string} name @param {import("./tensors.js").Tensor} tensor */
  fill(name, { shape, values }) {
    const wide = shape[shape.length - 1], apart = padded(wide);
    for (let row = 0; row * wide < values.length; row++) {
      this.floats.set(values.subarray(row * wide, (row + 1) * wide), this.at[name] + row * apart);
    }
  }

  /**
   * The product that `plainProduct` describes.
   * @param {number} x @param {number} xStep @param {number} n
   * @param {number} w @param {number} wStep @param {number} size
   * @param {number} bias @param {number} rows
   * @param {number} y @param {number} yStep
   */
  multiply(x, xStep, n, w, wStep, size, bias, rows, y, yStep) {
    if (this.simd) this.product(4 * x, 4 * xStep, n, 4 * w, 4 * wStep, 4 * size, 4 * bias, rows, 4 * y, 4 * yStep);
    else plainProduct(this.floats, x, xStep, n, w, wStep, size, bias, rows, y, yStep);
  }
}
