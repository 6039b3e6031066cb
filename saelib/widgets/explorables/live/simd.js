// The matrix product of products.js once more, in WebAssembly, four numbers at a time: its bytes, put together here.
//
// There is one function: product(x, xStep, n, w, wStep, size, bias, rows, y, yStep), all of them whole numbers, in bytes but for
// `n` and `rows`. It works on blocks of two rows of x and four of w, whose eight sums stay in the processor's registers.

const I32 = 0x7f, V128 = 0x7b;

/** A whole number from 0 as WebAssembly writes it (LEB128). @param {number} value @returns {number[]} */
const leb = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...leb(value >> 7)]);
/** Bytes with their number before them. @param {number[]} bytes */
const sized = (bytes) => [...leb(bytes.length), ...bytes];
/** Several things, each already in bytes, with their number before them. @param {number[][]} all */
const counted = (all) => [...leb(all.length), ...all.flat()];
/** @param {string} text */
const named = (text) => sized([...new TextEncoder().encode(text)]);
/** @param {number} id @param {number[]} content */
const section = (id, content) => [id, ...sized(content)];

const PARAMETERS = ["x", "xStep", "n", "w", "wStep", "size", "bias", "rows", "y", "yStep"];

/** The locals of the function that is being written: their numbers by name, and their types. @type {Map<string, { index: number, type: number }>} */
const LOCALS = new Map();
/** @param {string} name @param {number} [type] */
function local(name, type = I32) {
  const known = LOCALS.get(name) ?? { index: LOCALS.size, type };
  LOCALS.set(name, known);
  return leb(known.index);
}
PARAMETERS.forEach((name) => local(name));

// Instructions. What they work on lies on a stack, so that the bytes of the operands come first.
const get = (/** @type {string} */ name, type = I32) => [0x20, ...local(name, type)];
const set = (/** @type {string} */ name, /** @type {number[]} */ value, type = I32) => [...value, 0x21, ...local(name, type)];
const whole = (/** @type {number} */ value) => [0x41, value]; // below 64, where its one byte is the number
const plus = (/** @type {number[]} */ a, /** @type {number[]} */ b) => [...a, ...b, 0x6a];
const minus = (/** @type {number[]} */ a, /** @type {number[]} */ b) => [...a, ...b, 0x6b];
const step = (/** @type {string} */ name, /** @type {number[]} */ by) => set(name, plus(get(name), by));
const simd = (/** @type {number} */ code) => [0xfd, ...leb(code)];
const zeros = [...simd(12), ...new Array(16).fill(0)];
const load = (/** @type {string} */ pointer, /** @type {number} */ offset) => [...get(pointer), ...simd(0), 2, offset];
const add = (/** @type {number[]} */ a, /** @type {number[]} */ b) => [...a, ...b, ...simd(0xe4)];
const times = (/** @type {number[]} */ a, /** @type {number[]} */ b) => [...a, ...b, ...simd(0xe6)];
/** Do it again and again as long as the first of two whole numbers is at least the second (before), or below it (after). */
const asLong = (/** @type {number[]} */ a, /** @type {number[]} */ b, /** @type {number[]} */ body) =>
  [0x02, 0x40, 0x03, 0x40, ...a, ...b, 0x48, 0x0d, 1, ...body, 0x0c, 0, 0x0b, 0x0b];
const until = (/** @type {number[]} */ a, /** @type {number[]} */ b, /** @type {number[]} */ body) =>
  [0x03, 0x40, ...body, ...a, ...b, 0x48, 0x0d, 0, 0x0b];

/** The products of so many rows of x, from `xAt` on, with so many of w, from `w` on. @param {number} tokens @param {number} rows */
function block(tokens, rows) {
  const ts = [...Array(tokens).keys()], rs = [...Array(rows).keys()];
  const sum = (/** @type {number} */ t, /** @type {number} */ r) => `sum ${t} ${r}`;
  const pairs = ts.flatMap((t) => rs.map((r) => ({ t, r, name: sum(t, r) })));
  const half = (/** @type {number} */ offset) => [
    ...ts.flatMap((t) => set(`x ${t}`, load(`x at ${t}`, offset), V128)),
    ...rs.flatMap((r) => [
      ...set("one w", load(`w at ${r}`, offset), V128),
      ...ts.flatMap((t) => set(sum(t, r), add(get(sum(t, r), V128), times(get("one w", V128), get(`x ${t}`, V128))), V128)),
    ]),
  ];
  const lane = (/** @type {string} */ name, /** @type {number} */ i) => [...get(name, V128), ...simd(31), i];
  return [
    ...pairs.flatMap(({ name }) => set(name, zeros, V128)),
    ...ts.flatMap((t) => set(`x at ${t}`, t ? plus(get(`x at ${t - 1}`), get("xStep")) : get("xAt"))),
    ...rs.flatMap((r) => set(`w at ${r}`, r ? plus(get(`w at ${r - 1}`), get("wStep")) : get("w"))),
    ...set("end", plus(get("w"), get("size"))),
    ...until(get("w at 0"), get("end"), [
      ...half(0),
      ...half(16),
      ...ts.flatMap((t) => step(`x at ${t}`, whole(32))),
      ...rs.flatMap((r) => step(`w at ${r}`, whole(32))),
    ]),
    ...ts.flatMap((t) => [
      ...(t ? step("yAt", get("yStep")) : []),
      ...rs.flatMap((r) => [
        ...get("yAt"),
        ...lane(sum(t, r), 0), ...lane(sum(t, r), 1), 0x92, ...lane(sum(t, r), 2), ...lane(sum(t, r), 3), 0x92, 0x92,
        ...get("bias"), 0x2a, 2, 4 * r, 0x92,
        0x38, 2, 4 * r,
      ]),
    ]),
    ...step("yAt", get("yStep")),
    ...step("xAt", tokens > 1 ? plus(get("xStep"), get("xStep")) : get("xStep")),
    ...set("left", minus(get("left"), whole(tokens))),
  ];
}

/** So many rows of w with all of x. @param {number} rows */
const all = (rows) => [
  ...set("left", get("n")),
  ...set("xAt", get("x")),
  ...set("yAt", get("y")),
  ...asLong(get("left"), whole(2), block(2, rows)),
  ...asLong(get("left"), whole(1), block(1, rows)),
  ...new Array(rows).fill(step("w", get("wStep"))).flat(),
  ...step("bias", whole(4 * rows)),
  ...step("y", whole(4 * rows)),
  ...set("rows", minus(get("rows"), whole(rows))),
];

/** The bytes of the module: it asks for a memory, "page.memory", and gives `product`. */
export function simdModule() {
  const code = [...asLong(get("rows"), whole(4), all(4)), ...asLong(get("rows"), whole(1), all(1)), 0x0b];
  const locals = [...LOCALS.values()].slice(PARAMETERS.length).map(({ type }) => [1, type]);
  return new Uint8Array([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, counted([[0x60, ...counted(PARAMETERS.map(() => [I32])), 0]])),
    ...section(2, counted([[...named("page"), ...named("memory"), 0x02, 0x00, 0]])),
    ...section(3, counted([[0]])),
    ...section(7, counted([[...named("product"), 0x00, 0]])),
    ...section(10, counted([sized([...counted(locals), ...code])])),
  ]);
}
