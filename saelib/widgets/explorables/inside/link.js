// The page's side of the engine in ../live: it starts a worker, or does the worker's part itself, asks, and hands out the answers.

/**
 * @typedef {{ kind: string, args: any, onPart?: (part: any) => void, resolve: (answer: any) => void, reject: (error: Error) => void }} Request
 * @typedef {{ take: (message: any) => void, end: () => void }} Host who answers
 */

/** How long the page works for the engine at a time, in milliseconds, where there is no worker. */
const PAGE_SLICE = 12;
/** How often a worker that owes an answer is asked whether it lives, in milliseconds, and after how many silences it counts as dead. */
const ASK_EVERY = 2_000, SILENCES = 5;

/** The way to one engine, which all explorables of a page share that have the same one. */
class EngineLink {
  /** @param {string} source */
  constructor(source) {
    this.source = source;
    /** @type {"worker" | "page"} */
    this.where = typeof Worker === "function" ? "worker" : "page";
    /** What has not been answered yet. @type {Map<number, Request>} */
    this.open = new Map();
    this.count = 0;
    /** @type {Promise<Host> | null} */
    this.host = null;
    this.heard = false;
    this.silences = 0;
    this.timer = 0;
  }

  /** The answer to a request; rejects with words for the reader. @param {string} kind @param {any} [args] @returns {Promise<any>} */
  ask(kind, args = {}) {
    return this.stream(kind, args, () => {});
  }

  /** The same for one that tells of its parts as they come. @param {string} kind @param {any} args @param {(part: any) => void} onPart @returns {Promise<any>} */
  stream(kind, args, onPart) {
    return new Promise((resolve, reject) => {
      const id = ++this.count;
      this.open.set(id, { kind, args, onPart, resolve, reject });
      this.post(id);
    });
  }

  /** Ends the engine and all that was asked of it; the next request starts another, to which all has to be loaded again. */
  restart() {
    this.die("The GPT in this page was started anew.");
  }

  /** @param {number} id of a request that is open */
  async post(id) {
    const starting = (this.host ??= this.start());
    let host;
    try {
      host = await starting;
    } catch (error) {
      if (this.host === starting) this.die(`The GPT can't run in this page: ${/** @type {Error} */ (error).message}`);
      return;
    }
    const request = this.open.get(id);
    if (!request || this.host !== starting) return;
    try {
      host.take({ id, kind: request.kind, ...request.args });
      this.watch();
    } catch (error) {
      this.answer({ id, error: `The request can't be sent: ${/** @type {Error} */ (error).message}` });
    }
  }

  /** @returns {Promise<Host>} */
  async start() {
    this.heard = false;
    if (this.where === "worker") {
      try {
        return this.startWorker();
      } catch {
        this.where = "page";
      }
    }
    return this.startHere();
  }

  /** @returns {Host} */
  startWorker() {
    const address = URL.createObjectURL(new Blob([this.source], { type: "text/javascript" }));
    const worker = new Worker(address);
    const own = () => worker === this.worker;
    this.worker = worker;
    worker.onmessage = ({ data }) => {
      if (!own()) return;
      if (!this.heard) URL.revokeObjectURL(address);
      this.heard = true;
      this.answer(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (!own()) return;
      if (this.heard) {
        this.die(`The GPT in this page has stopped${event.message ? ` (${event.message})` : ""}.`);
        return;
      }
      // A worker that never said a word: the page's rules forbid it, or the browser has none of this kind.
      URL.revokeObjectURL(address);
      this.end();
      this.where = "page";
      for (const id of this.open.keys()) this.post(id);
    };
    return { take: (message) => worker.postMessage(message), end: () => worker.terminate() };
  }

  /** The same engine in the page itself, in slices. @returns {Promise<Host>} */
  async startHere() {
    // The text is the worker's, which exports nothing.
    const address = URL.createObjectURL(new Blob([this.source, "\nexport { serve };\n"], { type: "text/javascript" }));
    try {
      const { serve } = await import(/* webpackIgnore: true */ address);
      let ended = false;
      const take = serve((/** @type {any} */ message) => ended || this.answer(message), { slice: PAGE_SLICE });
      return { take, end: () => { ended = true; } };
    } finally {
      URL.revokeObjectURL(address);
    }
  }

  /** @param {{ id: number, part?: any, answer?: any, error?: string }} message */
  answer({ id, part, answer, error }) {
    this.silences = 0;
    const request = this.open.get(id);
    if (!request) return;
    if (part !== undefined) {
      request.onPart?.(part);
      return;
    }
    this.open.delete(id);
    if (error === undefined) request.resolve(answer);
    else request.reject(new Error(error));
  }

  /** As long as a worker owes an answer, see that it lives. (It answers at once, whatever it is at.) */
  watch() {
    if (this.timer || this.where === "page") return;
    this.silences = 0;
    this.timer = setInterval(async () => {
      if (!this.open.size || !this.host || this.where === "page") {
        clearInterval(this.timer);
        this.timer = 0;
      } else if (++this.silences > SILENCES) {
        this.die("The GPT in this page no longer answers.");
      } else {
        (await this.host).take({ id: 0, kind: "ping" });
      }
    }, ASK_EVERY);
  }

  /** End the host, if there is one. */
  end() {
    this.host?.then((host) => host.end(), () => {});
    this.host = null;
    this.worker = undefined;
  }

  /** End the host, and tell all who wait for it. @param {string} why */
  die(why) {
    this.end();
    const open = [...this.open.values()];
    this.open.clear();
    for (const { reject } of open) reject(new Error(why));
  }
}

/** The links of this page. @type {Map<string, EngineLink>} */
const LINKS = new Map();

/**
 * The link to the engine with this source, one for the whole page.
 * @param {string} source what `saelib.widgets.base.javascript("explorables/live/worker.js")` gives
 */
export function connect(source) {
  const link = LINKS.get(source) ?? new EngineLink(source);
  LINKS.set(source, link);
  return link;
}
