// Draws that look random and are always the same for a seed, whatever was drawn before.

/** Mixes the bits of a whole number (the end of MurmurHash3). @param {number} bits */
function mixed(bits) {
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return bits ^ (bits >>> 16);
}

/**
 * A number between 0 and 1, neither of them included: one for each seed, step and number.
 * @param {number} seed @param {number} step @param {number} number all whole
 */
export function uniform(seed, step, number) {
  const bits = mixed(mixed(mixed(seed ^ 0x9e3779b9) + step) + number);
  return ((bits >>> 0) + 0.5) / 4294967296;
}

/**
 * Gumbel noise: the largest of log p + noise is at a number with the probability p.
 * @param {number} seed @param {number} step @param {number} number
 */
export const gumbel = (seed, step, number) => -Math.log(-Math.log(uniform(seed, step, number)));

/**
 * A direction drawn by lot: so many Gaussian numbers, of length 1 in all.
 * @param {number} seed @param {number} size
 */
export function direction(seed, size) {
  const way = Float64Array.from({ length: size }, (_, i) =>
    Math.sqrt(-2 * Math.log(uniform(seed, 0, i))) * Math.cos(2 * Math.PI * uniform(seed, 1, i)));
  const length = Math.hypot(...way);
  return way.map((value) => value / length);
}
