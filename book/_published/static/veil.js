// What gives a guess away is veiled until the guess is made, or the reader asks to be shown. veiled.py says what, and for which
// question. Nothing is veiled twice: what was once open is kept in this browser, beside the answers.
(() => {
  "use strict";
  const veils = [.../** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".veil"))];
  if (!veils.length) return;
  /** As the questions keep their answers. @param {string|undefined} id */
  const keptAs = (id) => (document.documentElement.dataset.answers ?? "saelib.quiz.") + id;
  /** @param {string|undefined} id */
  const seenAs = (id) => `${keptAs(id)}.seen`;
  /** @template T @param {() => T} action */
  const attempt = (action) => {
    try {
      return action();
    } catch {
      return null; // This browser keeps nothing.
    }
  };
  /** @param {string|undefined} id */
  const isOpen = (id) => attempt(() => localStorage.getItem(seenAs(id)) ?? localStorage.getItem(keptAs(id))) !== null;

  /** @param {HTMLElement} veil */
  const contents = (veil) => /** @type {HTMLCollectionOf<HTMLElement>} */ (veil.children);

  // The words and pictures themselves are out of reach, also for a keyboard and a screen reader. The button is not among them.
  for (const veil of veils) {
    const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Guess, or show me" });
    button.addEventListener("click", () => {
      open(veil.dataset.question);
      const content = contents(veil)[0];
      if (!content) return;
      content.tabIndex = -1;
      content.focus({ preventScroll: true });
    });
    for (const child of contents(veil)) child.inert = true;
    veil.append(button);
    veil.classList.add("veiled");
  }

  /** @param {string|undefined} id */
  function open(id) {
    for (const veil of veils) {
      if (veil.dataset.question !== id || !veil.classList.contains("veiled")) continue;
      veil.classList.remove("veiled");
      veil.querySelector(":scope > button")?.remove();
      for (const child of contents(veil)) child.inert = false;
    }
    attempt(() => localStorage.setItem(seenAs(id), "1"));
  }
  const look = () => veils.forEach((veil) => { if (isOpen(veil.dataset.question)) open(veil.dataset.question); });

  look();
  // Answers here, in other tabs, and while this page was left (the Back button).
  for (const event of ["saelib-kept", "storage", "pageshow"]) addEventListener(event, look);
  // And where the browser keeps no answers: what a question says of one.
  new MutationObserver((changes) => {
    for (const { target } of /** @type {{ target: HTMLElement }[]} */ (/** @type {unknown} */ (changes))) {
      const id = /** @type {HTMLElement|null} */ (target.closest("[data-question]"))?.dataset.question;
      if (target.dataset.verdict && id) open(id);
    }
  }).observe(document.body, { attributes: true, attributeFilter: ["data-verdict"], subtree: true });
})();
