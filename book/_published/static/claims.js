// Words that rest on a claim can be pointed at: with a pointer, with the keyboard, with a finger. What the runs gave stands in
// notes at the page's end, and one of them is shown beside the words.
(() => {
  "use strict";
  const notes = document.querySelector(".claim-notes");
  if (!notes) return;
  document.querySelector(".claim-bubble")?.remove(); // of a page that was saved from a browser
  const bubble = document.body.appendChild(Object.assign(document.createElement("div"), { className: "claim-bubble", hidden: true }));
  const words = bubble.appendChild(document.createElement("span"));
  const all = bubble.appendChild(Object.assign(document.createElement("a"), { textContent: "All runs" }));
  let shown = null, leaving;

  function show(mark) {
    const note = document.getElementById(`claim-${mark.dataset.claim}`);
    if (!note) return;
    clearTimeout(leaving);
    shown = mark;
    words.textContent = `${note.textContent} `;
    all.href = `${notes.dataset.page}#${mark.dataset.claim}`;
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
  const leave = () => (leaving = setTimeout(hide, 250));

  const markAt = (event) => event.target.closest?.(".claim-mark");
  document.addEventListener("pointerover", (event) => {
    if (event.pointerType === "touch") return;
    if (markAt(event)) show(markAt(event));
    else if (bubble.contains(event.target)) clearTimeout(leaving);
    else if (shown && !shown.matches(":focus")) leave();
  });
  document.addEventListener("focusin", (event) => (markAt(event) ? show(markAt(event)) : bubble.contains(event.target) || hide()));
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  // A finger has no way to point without pressing: the first touch shows the note, which leads on to the page of all runs.
  let finger = false;
  document.addEventListener("pointerdown", (event) => {
    finger = event.pointerType === "touch";
    if (finger && !markAt(event) && !bubble.contains(event.target)) hide();
  }, true);
  document.addEventListener("click", (event) => {
    const mark = markAt(event);
    if (!mark?.href || !finger) return;
    event.preventDefault();
    show(mark);
  });

  // A question's words come without an address: only this page knows where the page of all runs is. Those of an answer to choose
  // get none: pressed, they choose it.
  const lead = (root) => {
    for (const mark of root.querySelectorAll(".claim-mark:not([href], label *)")) {
      mark.href = `${notes.dataset.page}#${mark.dataset.claim}`;
      mark.setAttribute("aria-describedby", `claim-${mark.dataset.claim}`);
    }
  };
  lead(document);
  new MutationObserver((changes) => changes.some((change) => change.addedNodes.length) && lead(document))
    .observe(document.querySelector("main") ?? document.body, { childList: true, subtree: true });
})();
