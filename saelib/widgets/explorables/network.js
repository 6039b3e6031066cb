// The forward pass of saelib.Autoencoder's encoder and decoder: linear layers with tanh between them.

/** @typedef {{weight: Float32Array, bias: Float32Array}} Layer weight is row-major, a row for each number out */

/**
 * The layers whose shapes are given, read one after the other.
 * @param {[number, number][]} shapes numbers in and numbers out, for each layer
 * @param {(length: number) => Float32Array} take the next so many numbers
 * @returns {Layer[]}
 */
export const readLayers = (shapes, take) =>
  shapes.map(([wide, narrow]) => ({ weight: take(wide * narrow), bias: take(narrow) }));

/**
 * @param {Layer[]} layers @param {Float32Array} x @returns {Float32Array}
 */
export function forward(layers, x) {
  layers.forEach(({ weight, bias }, depth) => {
    const wide = x;
    x = bias.map((start, row) => {
      let sum = start;
      for (let i = 0; i < wide.length; i++) sum += weight[row * wide.length + i] * wide[i];
      return depth < layers.length - 1 ? Math.tanh(sum) : sum;
    });
  });
  return x;
}
