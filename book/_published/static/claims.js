// Words that rest on a claim can be pointed at: with a pointer, with the keyboard, with a finger. What the runs gave stands in
// notes at the page's end, and one of them is shown beside the words.
(() => {
  "use strict";
  const notes = /** @type {HTMLElement|null} */ (document.querySelector(".claim-notes"));
  if (!notes) return;
  const runs = notes.dataset.page; // the page of all runs
  document.querySelector(".claim-bubble")?.remove(); // of a page that was saved from a browser
  const bubble = document.body.appendChild(Object.assign(document.createElement("div"), { className: "claim-bubble", hidden: true }));
  const words = bubble.appendChild(document.createElement("span"));
  const all = bubble.appendChild(Object.assign(document.createElement("a"), { textContent: "All runs" }));
  /** @type {HTMLAnchorElement|null} */
  let shown = null;
  let leaving = 0;

  /** @param {HTMLAnchorElement} mark */
  function show(mark) {
    const note = document.getElementById(`claim-${mark.dataset.claim}`);
    if (!note) return;
    clearTimeout(leaving);
    shown = mark;
    words.textContent = `${note.textContent} `;
    all.href = `${runs}#${mark.dataset.claim}`;
    bubble.hidden = false;
    // Below the words, or above them where there is no room, and never beyond the window's edge.
    const place = mark.getBoundingClientRect(), size = bubble.getBoundingClientRect();
    const below = place.bottom + 6 + size.height < innerHeight;
    const left = Math.min(mark.getClientRects()[0].left, document.documentElement.clientWidth - size.width - 8);
    bubble.style.top = `${scrollY + (below ? place.bottom + 6 : place.top - 6 - size.height)}px`;
    bubble.style.left = `${scrollX + Math.max(8, left)}px`;
  }
  function hide() {
    shown = null;
    bubble.hidden = true;
  }
  // In time to move on to the bubble.
  const leave = () => (leaving = window.setTimeout(hide, 250));

  /** @param {Event} event @returns {HTMLAnchorElement|null|undefined} */
  const markAt = (event) => /** @type {Element} */ (event.target).closest?.(".claim-mark");
  /** @param {Event} event */
  const inBubble = (event) => bubble.contains(/** @type {Node} */ (event.target));
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    const mark = markAt(event);
    if (mark) show(mark);
    else if (inBubble(event)) clearTimeout(leaving);
    else if (shown && !shown.matches(":focus")) leave();
  });
  document.addEventListener("focusin", (event) => {
    const mark = markAt(event);
    if (mark) show(mark);
    else if (!inBubble(event)) hide();
  });
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  // A finger has no way to point without pressing: the first touch shows the note, which leads on to the page of all runs.
  let finger = false;
  document.addEventListener("pointerdown", (event) => {
    finger = event.pointerType === "touch";
    if (finger && !markAt(event) && !inBubble(event)) hide();
  }, true);
  document.addEventListener("click", (event) => {
    const mark = markAt(event);
    if (!mark?.href || !finger) return;
    event.preventDefault();
    show(mark);
  });

  // A question's words come without an address: only this page knows where the page of all runs is. Those of an answer to choose
  // get none: pressed, they choose it.
  const lead = () => {
    for (const mark of /** @type {NodeListOf<HTMLAnchorElement>} */ (document.querySelectorAll(".claim-mark:not([href], label *)"))) {
      mark.href = `${runs}#${mark.dataset.claim}`;
      mark.setAttribute("aria-describedby", `claim-${mark.dataset.claim}`);
    }
  };
  lead();
  new MutationObserver((changes) => changes.some((change) => change.addedNodes.length) && lead())
    .observe(document.querySelector("main") ?? document.body, { childList: true, subtree: true });
})();
