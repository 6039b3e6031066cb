// Beside each chapter in the sidebar: how its questions went, as the quizzes keep it in this browser.
// progress-index.js lists the ids by page, and says under which names the answers are kept.
(() => {
  "use strict";
  const root = new URL("..", /** @type {HTMLScriptElement} */ (document.currentScript).src).href;
  /** @type {Record<string, string[]>} */
  const questions = /** @type {any} */ (window).saelibQuestions ?? {};
  /** @param {string} id */
  const keptAs = (id) => document.documentElement.dataset.answers + id;
  /** @param {Partial<HTMLSpanElement>} props */
  const make = (props) => Object.assign(document.createElement("span"), props);

  /** true, false, or undefined where nothing legible is kept. @param {string} id */
  function isRight(id) {
    try {
      const { answer, right } = JSON.parse(localStorage.getItem(keptAs(id)) ?? "null");
      return answer == null ? undefined : right === true;
    } catch {
      return undefined;
    }
  }

  // Answers were once kept under names that did not say which book: the first book to find them takes those to its questions.
  try {
    for (const id of Object.values(questions).flat()) {
      const text = localStorage.getItem(`saelib.quiz.${id}`);
      if (text !== null && localStorage.getItem(keptAs(id)) === null) localStorage.setItem(keptAs(id), text);
      localStorage.removeItem(`saelib.quiz.${id}`);
    }
  } catch {
    // This browser keeps nothing.
  }

  // A page that was saved from a browser has its badges already.
  for (const made of document.querySelectorAll(".progress-badge, .progress-words")) made.remove();

  const badges = [.../** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(".bd-sidebar-primary .bd-links a"))].flatMap((link, index) => {
    // Some hosts take the ending off the addresses of their pages, and with it off those of links within the page.
    const page = link.href.split(/[?#]/)[0].replace(/(\.html|\/)$/, "");
    const ids = page.startsWith(root) && questions[page.slice(root.length)];
    if (!ids) return [];
    // The badge is for the eye; a screen reader gets words, as a description, so that the link keeps its name.
    const badge = make({ className: "progress-badge", ariaHidden: "true" });
    const words = make({ className: "progress-words", id: `progress-${index}`, hidden: true });
    link.append(badge);
    link.after(words);
    return [{ link, ids, badge, words }];
  });

  function show() {
    for (const { link, ids, badge, words } of badges) {
      const found = ids.map(isRight).filter((one) => one !== undefined);
      const right = found.filter(Boolean).length;
      badge.hidden = !found.length;
      badge.textContent = right === ids.length ? "✓" : `${right}/${ids.length}`;
      badge.style.setProperty("--share", String(right / ids.length));
      words.textContent = `Questions: ${found.length} of ${ids.length} answered, ${right} right`;
      if (found.length) link.setAttribute("aria-describedby", words.id);
      else link.removeAttribute("aria-describedby");
    }
  }

  // Answers here, in other tabs, and while this page was left (the Back button).
  for (const event of ["saelib-kept", "storage", "pageshow"]) addEventListener(event, show);
  show();
})();
