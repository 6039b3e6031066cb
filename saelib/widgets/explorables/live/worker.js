// The engine as it is asked by a page: requests come in, answers go out, and the newest and most urgent is served first.
import { GptEngine, logSum } from "./gpt_engine.js";
import { gumbel } from "./random.js";
import { Run, LIKELIEST } from "./run.js";
import { SaeEngine } from "./sae_engine.js";
import { readTensors } from "./tensors.js";
import { Tokenizer } from "./tokenizer.js";

/**
 * @typedef {{ gpt: GptEngine, sae: SaeEngine|null, tokenizer: Tokenizer, mark: number, pieces: string[] }} Model
 * @typedef {{ model: Model, plain: Run, edited: Run|null }} Session one text in one model
 * @typedef {{ id: number, kind: string, session: string, rank: number, work: Generator<void, any>, stopped: boolean }} Task
 */

/** How urgent a request is, 0 the most; the others are answered at once. @type {Record<string, number>} */
const RANKS = { load: 0, read: 0, look: 0, write: 1, without: 2 };
/** How many of the strongest features are told of each token that is written. */
const TOLD = 8;

/** @param {any} value */
const shown = (value) => (value === undefined ? "missing" : JSON.stringify(value));

/** The bytes of a request. @param {string} name @param {any} value */
function viewOf(name, value) {
  if (!ArrayBuffer.isView(value)) throw new Error(`${name} is ${shown(value)}; expected its bytes.`);
  return new DataView(value.buffer, value.byteOffset, value.byteLength);
}

/** All that was loaded and read. */
class Engine {
  constructor() {
    /** @type {Map<string, Model>} */
    this.models = new Map();
    /** The sessions by name, and in each what was read with which key. @type {Map<string, Map<string, Session>>} */
    this.sessions = new Map();
  }

  /** @param {string} key @returns {Model} */
  model(key) {
    const model = this.models.get(key);
    if (!model) throw new Error(`key is ${shown(key)}; expected one that was loaded: ${[...this.models.keys()].map(shown).join(", ") || "none was"}.`);
    return model;
  }

  /** @param {any} request */
  *load({ key, gpt, tokenizer, sae, like }) {
    const own = new GptEngine(readTensors(viewOf("gpt", gpt)));
    const { n_tokens, n_layers, d_model } = own.settings;
    yield;
    let encoder = null;
    if (sae) {
      encoder = new SaeEngine(readTensors(viewOf("sae", sae)));
      if (encoder.d !== d_model || encoder.block >= n_layers) {
        throw new Error(`sae reads ${encoder.d} numbers after block ${encoder.block}; expected ${d_model}, after a block from 0 to ${n_layers - 1}.`);
      }
    }
    yield;
    const words = like === undefined ? JSON.parse(new TextDecoder().decode(viewOf("tokenizer", tokenizer))) : null;
    const { tokenizer: reader, mark } = words ? { tokenizer: new Tokenizer(words), mark: words.mark } : this.model(like);
    const pieces = reader.pieces();
    if (pieces.length !== n_tokens) throw new Error(`tokenizer has ${pieces.length} tokens; expected ${n_tokens}, as the GPT has.`);
    this.models.set(key, { gpt: own, sae: encoder, tokenizer: reader, mark, pieces });
    return { settings: own.settings, tokens: pieces, features: encoder?.features ?? 0, block: encoder?.block ?? -1, simd: own.arena.simd };
  }

  /**
   * The tokens of as much of a text as the GPT reads at once.
   * @param {Model} model @param {any} text
   */
  tokens({ gpt, tokenizer, mark }, text) {
    if (typeof text !== "string") throw new Error(`text is ${shown(text)}; expected a string.`);
    const { ids, begins, ends } = tokenizer.encode(text, gpt.settings.context - 1);
    const all = { ids: Int32Array.of(mark, ...ids), begins: Int32Array.of(0, ...begins), ends: Int32Array.of(0, ...ends) };
    return { ...all, left: text.length - all.ends[ids.length] };
  }

  /** A session, or a new one of this name. @param {string} key @param {string} name @returns {Session} */
  session(key, name) {
    const model = this.model(key);
    const keys = this.sessions.get(name) ?? new Map();
    this.sessions.set(name, keys);
    let found = keys.get(key);
    if (found?.model !== model) {
      found = { model, plain: new Run(model.gpt, model.sae), edited: null };
      keys.set(key, found);
    }
    return found;
  }

  /** @param {any} request */
  *read({ key, session: name, text, change = null }) {
    const session = this.session(key, name), { plain } = session;
    const { ids, begins, ends, left } = this.tokens(session.model, text);
    plain.setIds(ids);
    const edited = change && this.edited(session, change);
    yield* plain.advance();
    if (edited) yield* edited.advance({ base: plain });
    return { ids, begins, ends, left, ...plain.report(), edited: edited ? edited.report() : null };
  }

  /** The reading of a session under a change, not yet brought to its end. @param {Session} session @param {import("./changes.js").Change} change */
  edited(session, change) {
    const { model, plain } = session;
    session.edited ??= new Run(model.gpt, model.sae);
    session.edited.setChange(change);
    session.edited.setIds(plain.ids.subarray(0, plain.n));
    return session.edited;
  }

  /** A session that has read something, with a place in it. @param {any} request */
  place({ key, session: name, place }) {
    const session = this.session(key, name), { n } = session.plain;
    if (!Number.isInteger(place) || place < 0 || place >= n) {
      throw new Error(`place is ${shown(place)}; expected ${n ? `a token of the text, from 0 to ${n - 1}` : "a text that was read before"}.`);
    }
    return session;
  }

  /** @param {any} request */
  *look(request) {
    const session = this.place(request), { plain } = session;
    yield* plain.advance();
    if (!request.change) return plain.look(request.place);
    const edited = this.edited(session, request.change);
    yield* edited.advance({ base: plain });
    return edited.look(request.place);
  }

  /** @param {any} request */
  *without(request) {
    const { model, plain } = this.place(request), { gpt, sae } = model, { n_layers, n_heads } = gpt.settings, { place } = request;
    yield* plain.advance();
    const likeliest = plain.top[LIKELIEST * place];
    const share = new Float32Array(n_layers * n_heads);
    const run = new Run(gpt, sae);
    run.setIds(plain.ids.subarray(0, place + 1));
    for (let i = 0; i < share.length; i++) {
      run.setChange({ gains: [], puts: [], at: null, heads: [[Math.floor(i / n_heads), i % n_heads]], control: null });
      yield* run.advance({ base: plain, guesses: false });
      const logits = gpt.logits(run.row(place, n_layers), 1);
      share[i] = Math.exp(logits[likeliest] - logSum(logits));
      yield;
    }
    return { share };
  }

  /**
   * Writes on, the columns in turn.
   * @param {any} request @param {Task} task which may be stopped @param {(part: any) => void} tell
   */
  *write({ key, session: name, text, count, seed, temperature, columns }, task, tell) {
    const session = this.session(key, name), { gpt, sae, tokenizer, mark } = session.model;
    if (!Number.isInteger(count) || count < 1) throw new Error(`count is ${shown(count)}; expected a whole number from 1 on.`);
    if (!Number.isInteger(seed)) throw new Error(`seed is ${shown(seed)}; expected a whole number.`);
    if (!(temperature >= 0) || temperature === Infinity) throw new Error(`temperature is ${shown(temperature)}; expected a number from 0 on.`);
    if (!Array.isArray(columns) || !columns.length) throw new Error(`columns is ${shown(columns)}; expected a change, or null, for each of them.`);
    const { ids } = this.tokens(session.model, text);
    const base = new Run(gpt, sae);
    base.setIds(ids);
    base.borrow(session.plain);
    yield* base.advance({ guesses: false });
    const writers = columns.map((change) => {
      const run = new Run(gpt, sae);
      run.setChange(change);
      run.setIds(ids);
      return { run, letters: tokenizer.decoder(), text: "", ended: "" };
    });
    for (const { run } of writers) yield* run.advance({ base, guesses: false });
    const end = (/** @type {number} */ column, /** @type {string} */ why) => {
      const writer = writers[column], piece = writer.letters.end();
      writer.text += piece;
      writer.ended = why;
      tell({ column, ended: why, piece });
    };
    for (let step = 0; step < count && !task.stopped; step++) {
      for (let column = 0; column < writers.length && !task.stopped; column++) {
        const writer = writers[column], { run } = writer;
        if (writer.ended) continue;
        if (run.n === gpt.settings.context) {
          end(column, "context");
          continue;
        }
        const logits = gpt.logits(run.row(run.n - 1, run.last), 1);
        const id = drawn(logits, seed, step, temperature);
        if (id === mark) {
          end(column, "mark");
          continue;
        }
        const share = Math.exp(logits[id] - logSum(logits));
        run.append(id);
        yield* run.advance({ guesses: false, settled: true });
        const piece = writer.letters.push(id), code = run.codes[run.n - 1];
        writer.text += piece;
        /** @type {[number, number][]} */
        const on = code ? Array.from(code.number.subarray(0, TOLD), (feature, i) => [feature, code.strength[i]]) : [];
        tell({ column, id, piece, share, on });
        yield;
      }
    }
    writers.forEach((writer, column) => {
      if (writer.ended) return;
      if (!task.stopped) end(column, "count");
      else writer.text += writer.letters.end();
    });
    return { texts: writers.map((writer) => writer.text) };
  }
}

/**
 * The token that is written: the likeliest, or with a temperature one drawn by lots that depend on the seed, the step and the token
 * alone, so that two columns that expect the same write the same.
 * @param {Float32Array} logits @param {number} seed @param {number} step @param {number} temperature
 */
function drawn(logits, seed, step, temperature) {
  let best = 0, most = -Infinity;
  for (let token = 0; token < logits.length; token++) {
    const value = temperature ? logits[token] / temperature + gumbel(seed, step, token) : logits[token];
    if (value > most) [best, most] = [token, value];
  }
  return best;
}

/** The buffers of the typed arrays in an answer, which are handed over rather than copied. @param {any} answer @returns {ArrayBuffer[]} */
const buffersIn = (answer) =>
  ArrayBuffer.isView(answer)
    ? [/** @type {ArrayBuffer} */ (answer.buffer)]
    : answer && typeof answer === "object" && !Array.isArray(answer) ? Object.values(answer).flatMap(buffersIn) : [];

/**
 * Serve requests: gives the function that takes them.
 * @param {(message: any, transfer: ArrayBuffer[]) => void} send where the answers go
 * @param {{ slice?: number, pause?: (next: () => void) => void }} [options] how long it works at a time, in milliseconds, and how it lets
 *   others in before it goes on
 * @returns {(message: any) => void}
 */
function serve(send, { slice = 20, pause = (next) => setTimeout(next, 0) } = {}) {
  const engine = new Engine();
  /** @type {Task[]} */
  let tasks = [];
  let awake = false;

  /** @param {number} id @param {any} answer */
  const reply = (id, answer) => send({ id, answer }, buffersIn(answer));
  const fail = (/** @type {number} */ id, /** @type {any} */ error) => send({ id, error: String(error?.message ?? error) }, []);

  /** Drop the tasks of which it holds, with null for an answer. @param {(task: Task) => boolean} which */
  function drop(which) {
    const gone = tasks.filter(which);
    tasks = tasks.filter((task) => !which(task));
    for (const { id } of gone) reply(id, null);
  }

  function work() {
    const end = performance.now() + slice;
    while (tasks.length && performance.now() < end) {
      const task = tasks.reduce((first, other) => (other.rank < first.rank ? other : first));
      try {
        const { done, value } = task.work.next();
        if (!done) continue;
        reply(task.id, value);
      } catch (error) {
        fail(task.id, error);
      }
      tasks = tasks.filter((other) => other !== task);
    }
    awake = tasks.length > 0;
    if (!awake) return;
    // Those that write take turns.
    const writing = tasks.find(({ kind }) => kind === "write");
    if (writing) tasks = [...tasks.filter((task) => task !== writing), writing];
    pause(work);
  }

  return (message) => {
    const { id, kind, ...request } = message, { session } = request;
    if (kind === "ping") reply(id, {});
    else if (kind === "stop" || kind === "forget") {
      for (const task of tasks) if (task.session === session && task.kind === "write") task.stopped = true;
      if (kind === "forget") {
        drop((task) => task.session === session && task.kind !== "write");
        engine.sessions.delete(session);
      }
      reply(id, {});
    } else if (!(kind in RANKS)) {
      fail(id, new Error(`kind is ${shown(kind)}; expected one of ${[...Object.keys(RANKS), "stop", "forget"].join(", ")}.`));
    } else {
      if (kind !== "load" && typeof session !== "string") return fail(id, new Error(`session is ${shown(session)}; expected a name.`));
      // What was asked about a text that is no longer there interests nobody.
      if (kind === "read") drop((task) => task.session === session && ["read", "look", "without"].includes(task.kind));
      if (kind === "write") for (const task of tasks) if (task.session === session && task.kind === "write") task.stopped = true;
      const task = /** @type {Task} */ ({ id, kind, session, rank: RANKS[kind], stopped: false });
      const tell = (/** @type {any} */ part) => send({ id, part }, []);
      task.work = kind === "write" ? engine.write(request, task, tell) : /** @type {any} */ (engine)[kind](request);
      tasks.push(task);
      if (!awake) {
        awake = true;
        pause(work);
      }
    }
  };
}

const WORKER = /** @type {any} */ (globalThis);
if (typeof WORKER.WorkerGlobalScope === "function" && WORKER instanceof WORKER.WorkerGlobalScope) {
  // A message to oneself comes after those that wait already, and sooner than any timer.
  const { port1, port2 } = new MessageChannel();
  /** @type {() => void} */
  let goOn = () => {};
  port1.onmessage = () => goOn();
  const take = serve((message, transfer) => WORKER.postMessage(message, transfer), {
    pause(next) {
      goOn = next;
      port2.postMessage(null);
    },
  });
  WORKER.onmessage = (/** @type {MessageEvent} */ { data }) => take(data);
}
