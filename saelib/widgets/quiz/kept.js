// What this browser keeps of the reader's answers: under which names, and how widgets and tabs hear of changes.

/**
 * The name under which a question's answer is kept. It says which book, so that two books, or two editions of one, on the
 * same host never meet: a published page has in `<html data-answers>` how all of its names begin (published.py), with the
 * book's title and place. A live notebook has no place, and may belong to no book.
 * @param {{get: (name: string) => any}} model a widget that asks questions
 * @param {string} id the question's
 */
export function keptAs(model, id) {
  const book = model.get("book");
  return `${document.documentElement.dataset.answers ?? (book ? `saelib.quiz.${book}.` : "saelib.quiz.")}${id}`;
}

/** The event of the window that tells the rest of this tab which key has changed; other tabs get "storage". */
const KEPT = "saelib-kept";
const tell = (/** @type {string|null} */ key) => window.dispatchEvent(new CustomEvent(KEPT, { detail: key }));

/**
 * Calls `listener` with the key of each answer that is kept or forgotten, here or in another tab; with null where it may
 * be any of them.
 * @param {(key: string|null) => void} listener
 * @returns {() => void} what ends it
 */
export function whenKept(listener) {
  const ending = new AbortController();
  const options = { signal: ending.signal };
  window.addEventListener(KEPT, (/** @type {any} */ event) => listener(event.detail), options);
  window.addEventListener("storage", (event) => listener(event.key), options);
  // A page that comes back by the browser's Back button was told nothing while it was away.
  window.addEventListener("pageshow", (event) => { if (event.persisted) listener(null); }, options);
  return () => ending.abort();
}

/**
 * The answers kept in this browser, a key a question, so that two pages never write over each other's. What is kept is
 * `{"answer": ..., "right": true or false}`: the sidebar counts what is right without knowing the questions.
 * @param {{get: (name: string) => any}} model
 * @param {() => void} onRefused called when the browser keeps nothing: storage is denied or full
 */
export function browserStore(model, onRefused) {
  const key = (/** @type {string} */ id) => keptAs(model, id);
  const attempt = (/** @type {() => any} */ action) => {
    try {
      return action();
    } catch {
      onRefused();
      return null;
    }
  };
  return {
    key,
    /** What is kept for a question, as the text that it is kept as, or null. */
    read: (/** @type {string} */ id) => attempt(() => localStorage.getItem(key(id))),
    /** Keep this text; null forgets the one that is kept. @param {string} id @param {string|null} text */
    write(id, text) {
      attempt(() => {
        if (localStorage.getItem(key(id)) === text) return;
        if (text === null) localStorage.removeItem(key(id));
        else localStorage.setItem(key(id), text);
        tell(key(id));
      });
    },
    /** Keep all of these texts, or none if one can't be kept. @param {[id: string, text: string][]} texts */
    restore(texts) {
      /** @type {[string, string|null][]} */
      const before = [];
      try {
        for (const [id, text] of texts) {
          before.push([key(id), localStorage.getItem(key(id))]);
          localStorage.setItem(key(id), text);
        }
      } catch {
        // Backwards: on this way storage holds at each step what it has held before, so it can't be too full.
        attempt(() => before.reverse().forEach(([name, text]) =>
          (text === null ? localStorage.removeItem(name) : localStorage.setItem(name, text))));
        return false;
      }
      tell(null);
      return true;
    },
  };
}

/**
 * What the reader has chosen or written for a question and not yet checked. It is this tab's alone, and stays through a reload;
 * a browser that keeps nothing loses it then, as it would lose anything else.
 * @param {string} key the name under which the answer will be kept
 */
export const draftOf = (key) => ({
  /** @returns {any} undefined if there is none */
  read() {
    try {
      return JSON.parse(sessionStorage.getItem(key) ?? "");
    } catch {
      return undefined;
    }
  },
  /** @param {any} draft undefined forgets it */
  write(draft) {
    try {
      if (draft === undefined) sessionStorage.removeItem(key);
      else sessionStorage.setItem(key, JSON.stringify(draft));
    } catch {
      // There is nothing to do about it, and nothing to say: the draft stands on the page.
    }
  },
});
