// Safetensors files: what they hold, as 32-bit numbers.

/** @typedef {{ shape: number[], values: Float32Array }} Tensor row-major */

/** Each of the 256 numbers that F8_E4M3 knows: a sign, four bits of exponent, three of mantissa, no infinity. */
const EIGHT_BITS = Float32Array.from({ length: 256 }, (_, code) => {
  const exponent = (code >> 3) & 15, mantissa = code & 7;
  const size = exponent ? (1 + mantissa / 8) * 2 ** (exponent - 7) : mantissa * 2 ** -9;
  return (code & 127) === 127 ? NaN : code & 128 ? -size : size;
});

/** The number that 16 bits stand for. @param {number} code */
function half(code) {
  const exponent = (code >> 10) & 31, mantissa = code & 1023;
  const size = exponent === 31 ? (mantissa ? NaN : Infinity) : exponent ? (1 + mantissa / 1024) * 2 ** (exponent - 15) : mantissa * 2 ** -24;
  return code & 32768 ? -size : size;
}

/** How each type's bytes become numbers. (All browsers run on processors that put the lowest byte first, as the file does.) */
const READERS = {
  F32: { size: 4, read: (/** @type {Uint8Array} */ bytes) => new Float32Array(bytes.buffer) },
  F16: { size: 2, read: (/** @type {Uint8Array} */ bytes) => Float32Array.from(new Uint16Array(bytes.buffer), half) },
  F8_E4M3: {
    size: 1,
    read(/** @type {Uint8Array} */ bytes) {
      const values = new Float32Array(bytes.length);
      for (let i = 0; i < bytes.length; i++) values[i] = EIGHT_BITS[bytes[i]];
      return values;
    },
  },
};

/**
 * The notes and tensors of a safetensors file. A tensor NAME that has a NAME.scale, one number for each row, is multiplied by it.
 * @param {DataView} view
 * @returns {{ notes: Record<string, string>, tensors: Map<string, Tensor> }}
 */
export function readTensors(view) {
  const length = view.byteLength >= 8 ? Number(view.getBigUint64(0, true)) : 0;
  if (!length || 8 + length > view.byteLength) throw new Error(`The weights are ${view.byteLength} bytes; expected a whole safetensors file.`);
  const { __metadata__: notes = {}, ...entries } = JSON.parse(new TextDecoder().decode(new Uint8Array(view.buffer, view.byteOffset + 8, length)));
  /** @type {Map<string, Tensor>} */
  const tensors = new Map();
  for (const [name, { dtype, shape, data_offsets: [start, end] }] of Object.entries(entries)) {
    const kind = READERS[/** @type {keyof typeof READERS} */ (dtype)];
    if (!kind) throw new Error(`${name} is ${dtype}; expected one of ${Object.keys(READERS).join(", ")}.`);
    const count = shape.reduce((/** @type {number} */ product, /** @type {number} */ size) => product * size, 1);
    if (end - start !== count * kind.size || 8 + length + end > view.byteLength) {
      throw new Error(`${name} has bytes ${start} to ${end}; expected ${count * kind.size} of them, within the file.`);
    }
    // A copy of its own, for the file may begin anywhere in its buffer.
    const bytes = new Uint8Array(view.buffer, view.byteOffset + 8 + length + start, end - start).slice();
    tensors.set(name, { shape, values: kind.read(bytes) });
  }
  for (const [name, { values }] of tensors) {
    const scale = tensors.get(`${name}.scale`)?.values;
    if (!scale) continue;
    const wide = values.length / scale.length;
    for (let i = 0, row = 0; row < scale.length; row++) for (const end = i + wide; i < end; i++) values[i] *= scale[row];
    tensors.delete(`${name}.scale`);
  }
  return { notes, tensors };
}
