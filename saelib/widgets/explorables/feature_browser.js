import { brick, chooser, composes, el, explorable, hashState, slider, uniqueId } from "../common.js";
import { chart, draw } from "./chart.js";
import { unpack } from "./feature_cards.js";
import { inWords, spoken, visible } from "./token_words.js";

/** @typedef {import("./feature_cards.js").Card} Card */

const FALSE_ALARM = "on though the label does not hold", MISSED = "off though the label holds"; // as in saelib.interpret
const SHARES = [0, 0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]; // of all tokens: what can be chosen for how often
const ORDERS = ["F1", "density", "effect", "number"];

const two = (/** @type {number} */ value) => value.toFixed(2);
const counted = (/** @type {number} */ count, /** @type {string} */ word) => `${count.toLocaleString("en")} ${word}${count === 1 ? "" : "s"}`;
/** With two digits that count, as a reader writes them: 0.0123 is "1.2%". @param {number} share */
const percent = (share) => `${Number((100 * share).toPrecision(2))}%`;
/** Out of a hundred; with a decimal where all or none would not be true. @param {number} share */
function ofHundred(share) {
  const whole = Math.round(100 * share);
  return share > 0 && share < 1 && whole % 100 === 0 ? (100 * share).toFixed(1) : String(whole);
}
const ofAll = (/** @type {number} */ number, /** @type {number} */ all, /** @type {string} */ word) => (number === all ? `All ${counted(all, word)}` : `${number.toLocaleString("en")} of ${counted(all, word)}`);
const signed = (/** @type {number} */ value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

/** @param {number[]} histogram @returns {number} the place of the bin in which the middle one of all values lies */
function middle(histogram) {
  const all = histogram.reduce((sum, count) => sum + count, 0);
  let seen = 0;
  return histogram.findIndex((count) => (seen += count) >= all / 2);
}

/**
 * The first of some nodes, and the others behind a button that says how many they are. In print all are there.
 * @param {HTMLElement} holder @param {HTMLElement[]} nodes @param {number} first @param {string} word
 */
function fold(holder, nodes, first, word) {
  holder.append(...nodes.slice(0, first));
  const rest = nodes.slice(first);
  if (!rest.length) return [holder];
  const more = /** @type {HTMLElement} */ (holder.cloneNode());
  more.classList.add("sae-more");
  more.append(...rest);
  const button = el("button", { type: "button", className: "sae-fold", "aria-expanded": "false", onclick() {
    const open = button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", String(open));
    words(open);
  } });
  const words = (/** @type {boolean} */ open) => { button.textContent = open ? "Show fewer" : counted(rest.length, word).replace(" ", " more "); };
  words(false);
  return [holder, button, more];
}

export default {
  /** @param {{model: any, el: HTMLElement}} context */
  render({ model, el: root }) {
    const { tokens, cards, at: onAt } = unpack(model.get("table"), model.get("texts"), model.get("there"));
    const bar = model.get("told") ?? 0;
    const weak = (/** @type {Card} */ card) => card.label !== null && card.f1 < bar;
    const presses = cards.some(({ examples }) => examples.some(({ begin, focus }) => onAt(begin + focus)));
    const touch = matchMedia("(hover: none)").matches;
    // On a phone a card is folded the more.
    const narrow = matchMedia("(max-width: 600px)").matches;
    const { controls, stage, say } = explorable(root, model);
    const placeOf = new Map(cards.map((card, at) => [card.feature, at]));
    /** What a search looks through: the label, what it promotes, and the tokens that it is on for. */
    const words = cards.map(({ label, promoted, examples }) => [
      label ?? "", ...promoted.map(([token]) => tokens[token]),
      ...examples.filter(({ quantile }) => quantile !== MISSED).map((example) => tokens[example.tokens[example.focus]]),
    ].join("\u0000").toLowerCase());
    /** What else stands in its examples, made when somebody first searches. @type {string[]} */
    let around = [];
    const keys = [
      (/** @type {Card} */ card) => card.f1 ?? -1, (/** @type {Card} */ card) => card.density,
      (/** @type {Card} */ card) => card.effect?.[0] ?? -Infinity, (/** @type {Card} */ card) => -card.feature,
    ];
    const orders = keys.map((key) => cards.map((_, at) => at).sort((a, b) => key(cards[b]) - key(cards[a]) || cards[a].feature - cards[b].feature));

    const state = { at: placeOf.get(model.get("start")) ?? 0, order: 0, least: 0, low: 0, high: SHARES.length - 1, query: "" };
    const shared = { feature: hashState("feature"), among: hashState("among"), find: hashState("find") };
    /** What was seen at addresses that do not say it all. @type {Map<string, typeof state>} */
    const left = new Map();
    /** What the address asks for and is not there. */
    let missing = "";
    /** What the address says, as far as it fits; the feature's place, or -1. */
    function restore() {
      const [order, least, low, high, ...rest] = shared.among.whole();
      if (high < SHARES.length && rest.length === 0 && order < ORDERS.length && least <= 20 && low < SHARES.length) Object.assign(state, { order, least, low, high });
      state.query = shared.find.get() ?? state.query;
      const [feature, ...others] = shared.feature.whole();
      const at = others.length ? -1 : placeOf.get(feature) ?? -1;
      if (at >= 0) state.at = at;
      missing = at < 0 ? shared.feature.get() ?? "" : "";
      return at;
    }

    /** The features that fit, in their order: those that fit themselves, and after them those of which only the examples do. @type {number[]} */
    let found = [];
    let own = 0;
    function search() {
      const asked = state.query.toLowerCase().split(/\s+/).filter(Boolean);
      const fits = (/** @type {number} */ at, /** @type {string[]} */ where) => asked.every((word) =>
        (/^#\d+$/.test(word) ? word === `#${cards[at].feature}` : word === String(cards[at].feature) || words[at].includes(word) || where[at]?.includes(word)));
      const all = orders[state.order].filter((at) => {
        const card = cards[at];
        return (state.least === 0 || (card.f1 ?? -1) >= state.least / 20) && card.density >= SHARES[state.low] && card.density <= SHARES[state.high];
      });
      found = all.filter((at) => fits(at, []));
      own = found.length;
      if (!asked.length) return;
      if (!around.length) around = cards.map(({ examples }) => examples.map((example) => Array.from(example.tokens, (token) => tokens[token]).join("")).join("\u0000").toLowerCase());
      const there = new Set(found);
      found = [...found, ...all.filter((at) => !there.has(at) && fits(at, around))];
    }
    /** What was asked for, in words. */
    function asked() {
      const parts = [
        state.query.trim() && `with “${state.query.trim()}”`, state.least && `F1 at least ${two(state.least / 20)}`,
        state.low && `on for ${percent(SHARES[state.low])} or more`, state.high < SHARES.length - 1 && `on for ${percent(SHARES[state.high])} or less`,
      ].filter(Boolean);
      const beside = found.length - own;
      return `${[ofAll(own, cards.length, "feature"), ...parts].join(", ")}, by ${ORDERS[state.order]}`
        + (beside ? `; then ${beside.toLocaleString("en")} with it elsewhere in their examples` : "");
    }
    const named = (/** @type {Card} */ card) => (card.label === null ? "no label fits" : weak(card) ? `weak: ${card.label}` : card.label);
    const numbers = cards.map(({ feature }) => feature);
    const lacking = () => (missing ? `There is no card of ${/^\d+$/.test(missing) ? `brick #${missing}` : `“${missing}”`}: `
      + `there are ${counted(cards.length, "card")}, from #${Math.min(...numbers)} to #${Math.max(...numbers)}. ` : "");
    const tell = () => say(`${lacking()}${asked()}. ${found.length ? "" : "Ask for less. "}Open: #${cards[state.at].feature}, ${named(cards[state.at])}.`);

    // The list. Only the rows that can be seen are there: a thousand would make every letter of a search slow.
    const rows = el("div", { className: "sae-rows", role: "presentation" });
    const list = el("div", { className: "sae-list", role: "listbox", id: uniqueId("list"), tabIndex: 0, "aria-label": "Features" }, rows);
    const heading = el("p", { className: "sae-found" });
    const stem = uniqueId("feature");
    const rowHeight = () => rows.offsetHeight / found.length || 52;

    /** @param {number} place among those found */
    function row(place) {
      const card = cards[found[place]];
      const open = found[place] === state.at;
      const node = el("div", { className: "sae-feature", role: "option", id: `${stem}-${found[place]}`, "aria-selected": String(open),
        "aria-posinset": String(place + 1), "aria-setsize": String(found.length) },
        el("span", { className: `sae-brick ${open ? "sae-on" : ""}`, "aria-hidden": "true" }, el("span", { className: "sae-blank" })),
        el("span", { className: "sae-feature-words" },
          el("span", { className: card.label === null || weak(card) ? "sae-feature-label sae-muted" : "sae-feature-label" }, named(card)),
          el("span", { className: "sae-feature-numbers" }, [`#${card.feature}`, ...(card.label === null ? [] : [`F1 ${two(card.f1)}`, ...(card.holds === null ? [] : [`n ${card.holds.toLocaleString("en")}`])]), percent(card.density)].join(" · "))));
      node.style.setProperty("--place", String(place));
      return node;
    }
    function drawRows() {
      const height = rowHeight();
      const first = Math.max(0, Math.floor(list.scrollTop / height) - 4);
      const last = Math.min(found.length, Math.ceil((list.scrollTop + list.clientHeight) / height) + 4);
      const seen = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
      const open = found.indexOf(state.at);
      // The open one always: it is what the list says is active.
      if (open >= 0 && (open < first || open >= last)) seen.push(open);
      rows.replaceChildren(...seen.map(row));
      if (open >= 0) list.setAttribute("aria-activedescendant", `${stem}-${state.at}`);
      else list.removeAttribute("aria-activedescendant");
    }
    function reveal() {
      const [height, open] = [rowHeight(), found.indexOf(state.at)];
      if (open < 0) list.scrollTop = 0;
      else if (open * height < list.scrollTop) list.scrollTop = open * height;
      else if ((open + 1) * height > list.scrollTop + list.clientHeight) list.scrollTop = (open + 1) * height - list.clientHeight;
    }
    function drawList() {
      search();
      rows.style.setProperty("--count", String(found.length));
      heading.textContent = asked();
      reveal();
      drawRows();
    }
    list.addEventListener("scroll", drawRows);
    list.addEventListener("click", (/** @type {MouseEvent} */ event) => {
      const place = Math.floor((event.clientY - rows.getBoundingClientRect().top) / rowHeight());
      if (place >= found.length) return;
      choose(found[place]);
      bring();
    });
    list.addEventListener("keydown", (/** @type {KeyboardEvent} */ event) => {
      const page = Math.max(1, Math.floor(list.clientHeight / rowHeight()) - 1);
      const open = found.indexOf(state.at);
      /** @type {Record<string, number>} */
      const steps = { ArrowDown: open + 1, ArrowUp: open - 1, PageDown: open + page, PageUp: open - page, Home: 0, End: found.length - 1 };
      if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      if (found.length) choose(found[Math.max(0, Math.min(found.length - 1, steps[event.key]))]);
      if (beside()) bring();
    });

    const sheet = el("div", { className: "sae-card", tabIndex: -1, role: "group", "aria-label": "Card" });
    const side = el("div", { className: "sae-side" }, heading, list);
    const code = (/** @type {number} */ token) => el("code", { translate: false }, inWords(tokens[token]));
    /** Whether the list stands beside the card, and not above it. */
    const beside = () => getComputedStyle(side).position === "sticky";
    /** Whoever opens a card sees it: the list too, where both have room. */
    function bring() {
      const { top } = sheet.getBoundingClientRect();
      if (top >= 0 && top < 0.6 * innerHeight) return;
      (!beside() && side.offsetHeight + 320 <= innerHeight ? side : sheet).scrollIntoView({ block: "start" });
    }
    /** The card of another brick, from within this one: a step that *back* undoes. @param {number} at */
    function follow(at) {
      if (at === state.at) return;
      if (document.documentElement.dataset.widgetHost !== undefined) {
        left.set(location.hash, { ...state });
        history.pushState(null, "", location.href);
      }
      choose(at);
      sheet.focus({ preventScroll: true });
      sheet.scrollIntoView({ block: "start" });
    }
    /** Another brick, to go to. @param {number} at @param {string} number @param {number} share how long its bar is */
    function way(at, number, share) {
      const card = cards[at];
      const length = el("span", { className: "sae-push" });
      length.style.setProperty("--share", String(share));
      return el("li", {},
        el("button", { type: "button", className: "sae-way", disabled: at === state.at, onclick: () => follow(at) },
          `#${card.feature} `, el("span", { className: card.label === null || weak(card) ? "sae-muted" : "" }, at === state.at ? "this brick" : named(card))),
        length, el("span", { className: "sae-number" }, number));
    }

    /** @param {Card} card */
    function pushed(card) {
      const full = Math.max(1e-9, ...[...card.promoted, ...card.suppressed].map(([, change]) => Math.abs(change)));
      const sides = /** @type {[string, [number, number][]][]} */ ([["Makes likelier next", card.promoted], ["Makes less likely next", card.suppressed]]);
      return sides.map(([title, pairs]) => el("div", {},
        el("p", { className: "sae-label" }, title),
        ...fold(el("ul", { className: "sae-pushes" }), pairs.map(([token, change]) => {
          const bar = el("span", { className: change < 0 ? "sae-push sae-taken" : "sae-push" });
          bar.style.setProperty("--share", String(Math.abs(change) / full));
          return el("li", {}, code(token), bar, el("span", { className: "sae-number" }, signed(change)));
        }), narrow ? 3 : 5, "token")));
    }

    /** @param {Card} card */
    function alike({ similar }) {
      const titles = ["Bricks that draw most like it", "Bricks that are on together with it"];
      const words = ["The cosine of the angle between the two.", "Of all tokens at which either is on, the share at which both are."];
      return similar.flatMap((row, i) => {
        const pairs = Array.from({ length: row.length / 2 }, (_, j) => row.slice(2 * j, 2 * j + 2));
        return pairs.length ? [el("div", {}, el("p", { className: "sae-label" }, titles[i]), el("p", { className: "sae-aside" }, words[i]),
          ...fold(el("ul", { className: "sae-ways" }), pairs.map(([at, much]) => way(at, i ? `${much}%` : two(much / 100), much / 100)), narrow ? 3 : 5, "brick"))] : [];
      });
    }

    /** @param {Card} card */
    function effect(card) {
      const title = el("p", { className: "sae-label" }, "Without it");
      if (!card.effect) return el("div", {}, title, el("p", {}, "Not measured."));
      const [on, elsewhere, changed] = card.effect;
      const moves = (/** @type {number} */ nats) => `${nats < 0 ? "falls" : "rises"} by ${Math.abs(nats).toPrecision(2)} nats`;
      return el("div", {}, title,
        el("p", {}, `The loss of the next token ${moves(on)} where the brick is on, and elsewhere it ${moves(elsewhere)}.`),
        el("ul", { className: "sae-changes" }, ...changed.map(([token, before, after]) =>
          el("li", {}, code(token), el("span", { className: "sae-number" }, `${percent(before)} → ${percent(after)}`)))));
    }

    /** @param {Card} card */
    function histogram({ histogram, maximum, threshold, label }) {
      const title = el("p", { className: "sae-label" }, "How strongly it is on");
      const all = histogram.reduce((sum, count) => sum + count, 0);
      if (!all) return el("div", {}, title, el("p", {}, "It is never on."));
      const top = Math.max(1, Math.ceil(Math.log10(Math.max(...histogram) + 1)));
      const half = middle(histogram);
      const bin = maximum / histogram.length;
      const graph = chart({
        name: `How strongly it is on: of ${counted(all, "token")}, half lie below ${two((half + 1) * bin)}; the strongest is ${two(maximum)}.`,
        x: { label: "activation", low: 0, high: maximum, ticks: [0, maximum / 2, maximum].map((value) => [value, two(value)]) },
        y: { label: "tokens, each line ten times as many", low: 0.5, high: 10 ** top, log: true, ticks: Array.from({ length: top + 1 }, (_, i) => [10 ** i, (10 ** i).toLocaleString("en")]) },
      });
      graph.ground.append(...histogram.flatMap((count, i) => (count ? [draw("rect", {
        x: graph.x(i * bin) + 0.5, width: Math.max(1, graph.x(bin) - 1), y: graph.y(count), height: graph.y(0.5) - graph.y(count), class: "sae-column" })] : [])));
      if (label !== null && threshold > 0) graph.ground.append(draw("line", { x1: graph.x(threshold), x2: graph.x(threshold), y1: 0, y2: graph.y(0.5), class: "sae-threshold" }));
      return el("div", {}, title, graph.node);
    }

    /** @param {Card} card */
    function examples(card) {
      const tile = brick({ number: card.feature, scale: card.maximum || 1 });
      const told = el("p", { className: "sae-told", "aria-hidden": "true" });
      /** How strongly it is on at a token, in words. @param {number} level */
      const strength = (level) => (level ? `on at ${two((level / 255) * card.maximum)}, ${ofHundred(level / 255)}% of its strongest` : "off");
      const rest = () => {
        const first = card.examples[0];
        tile.set(first ? (first.levels[first.focus] / 255) * card.maximum : 0);
        told.textContent = `${touch ? "Tap" : "Point at"} a token to see how strongly the brick is on there`
          + (presses ? `${touch ? "" : "; press a shaded one"}, and which others are.` : ".");
      };
      /** @param {import("./feature_cards.js").Example} example @param {number} i */
      const show = (example, i) => {
        tile.set((example.levels[i] / 255) * card.maximum);
        told.replaceChildren(el("code", {}, inWords(tokens[example.tokens[i]])), ` ${strength(example.levels[i])}`);
      };

      /** @type {HTMLElement|null} */
      let panel = null;
      /**
       * Under an example, which bricks are on at one of its tokens.
       * @param {import("./feature_cards.js").Example} example @param {number} i @param {HTMLElement} box @param {boolean} [byKey]
       */
      function press(example, i, box, byKey = false) {
        if (!presses) return;
        panel?.remove();
        const there = onAt(example.begin + i);
        const token = code(example.tokens[i]);
        panel = /** @type {HTMLElement} */ (el("div", { className: "sae-there", role: "group", tabIndex: -1, "aria-label": `Bricks that are on at ${spoken(tokens[example.tokens[i]])}`,
          onkeydown: (/** @type {KeyboardEvent} */ event) => {
            if (event.key !== "Escape") return;
            panel?.remove();
            box.focus();
          } }));
        if (there) {
          panel.append(el("p", {}, `${counted(there.count, "brick")} ${there.count === 1 ? "is" : "are"} on at `, token,
            there.count > there.on.length ? `. Strongest, each beside its own strongest:` : ", each beside its own strongest:"),
            el("ul", { className: "sae-ways" }, ...there.on.map(({ card, share }) =>
              way(card, `${(share * cards[card].maximum).toFixed(1)}, ${Math.round(100 * share)}%`, share))));
        } else panel.append(el("p", {}, "Which bricks are on at ", token, " is not kept; it is for the shaded tokens."));
        (box.closest(".sae-example") ?? box).append(panel);
        if (byKey) panel.focus({ preventScroll: true });
        panel.scrollIntoView({ block: "nearest" });
      }

      /** @param {import("./feature_cards.js").Example} example @param {number} number */
      function line(example, number) {
        const own = uniqueId("token");
        const marks = Array.from(example.tokens, (token, i) => {
          const level = example.levels[i];
          const said = `${spoken(tokens[token])}: ${strength(level)}`;
          const mark = el("span", { className: `${level ? "sae-lit" : ""} ${i === example.focus ? "sae-focus" : ""}`, role: "option", id: `${own}-${i}`,
            "aria-selected": String(i === example.focus), "aria-label": said, title: said, onpointerover: () => show(example, i), onclick: () => press(example, i, box) },
            // Nor does an example begin with an empty line.
            visible(tokens[token], tokens[example.tokens[i + 1]]).replace(i ? /$^/ : /^⏎\n/, "⏎"));
          if (level) mark.style.setProperty("--share", String(level / 255));
          return mark;
        });
        let at = example.focus;
        const go = (/** @type {number} */ to) => {
          marks[at].classList.remove("sae-at");
          at = Math.max(0, Math.min(marks.length - 1, to));
          marks[at].classList.add("sae-at");
          box.setAttribute("aria-activedescendant", marks[at].id);
          show(example, at);
        };
        const box = el("div", {
          className: presses ? "sae-text sae-askable" : "sae-text", role: "listbox", tabIndex: 0, "aria-orientation": "horizontal", translate: false,
          "aria-label": `Example ${number}, ${example.quantile}`, "aria-activedescendant": marks[at].id,
          onfocus: () => { if (box.matches(":focus-visible")) go(at); },
          onblur: () => { marks[at].classList.remove("sae-at"); rest(); },
          onkeydown: (/** @type {KeyboardEvent} */ event) => {
            /** @type {Record<string, number>} */
            const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: marks.length - 1 };
            if (["Enter", " "].includes(event.key) && presses) {
              event.preventDefault();
              return press(example, at, box, true);
            }
            if (!(event.key in steps) || event.altKey || event.ctrlKey || event.metaKey) return;
            event.preventDefault();
            go(steps[event.key]);
          },
        }, ...marks);
        const between = !["strongest", "weakest", FALSE_ALARM, MISSED].includes(example.quantile);
        return el("div", { className: "sae-example" },
          el("p", { className: "sae-margin" }, two((example.levels[example.focus] / 255) * card.maximum), ...(between ? [el("span", {}, example.quantile)] : [])),
          el("div", {}, box, ...(example.source ? [el("p", { className: "sae-source", translate: false }, example.source)] : [])));
      }

      // A finger that is lifted has left, too, and what it has asked for is still to be read.
      const groups = el("div", { onpointerleave: (/** @type {PointerEvent} */ event) => { if (event.pointerType !== "touch") rest(); } });
      /** @type {Map<string, HTMLElement[]>} */
      const parts = new Map();
      card.examples.forEach((example, i) => {
        const group = { strongest: "Strongest", weakest: "Weakest", [FALSE_ALARM]: "On though the label does not hold", [MISSED]: "Off though the label holds" }[example.quantile] ?? "Across its range";
        parts.set(group, [...(parts.get(group) ?? []), line(example, i + 1)]);
      });
      const first = { Strongest: narrow ? 2 : 3, "Across its range": narrow ? 2 : 4, Weakest: narrow ? 1 : 2 };
      for (const [group, lines] of parts) {
        groups.append(el("p", { className: "sae-label" }, group), ...fold(el("div", {}), lines, first[/** @type {keyof typeof first} */ (group)] ?? lines.length, "example"));
      }
      rest();
      return { tile, told, groups };
    }

    function drawCard() {
      const card = cards[state.at];
      const { tile, told, groups } = examples(card);
      const scores = [["F1", card.f1], ["precision", card.precision], ["recall", card.recall], ["AUROC", card.auroc]];
      const rests = [card.interval ? `${two(card.interval[0])} to ${two(card.interval[1])}` : "", card.holds === null ? "" : `n = ${counted(card.holds, "token")}`].filter(Boolean);
      const on = card.threshold > 0 ? `on at more than ${two(card.threshold)}` : "on";
      sheet.replaceChildren(
        ...(missing ? [el("p", { className: "sae-missing" }, `${lacking()}This is another one.`)] : []),
        el("div", { className: "sae-head" }, tile.node, el("div", {},
          el("p", { className: card.label === null || weak(card) ? "sae-headline sae-muted" : "sae-headline" }, named(card)),
          el("p", {}, card.density ? `On for ${percent(card.density)} of all tokens, one in ${Math.round(1 / card.density).toLocaleString("en")}.` : "It is never on.")),
          // For fingers: with keys the list is one step back.
          el("a", { className: "sae-up", href: `#${list.id}`, tabIndex: -1, onclick(/** @type {Event} */ event) {
            event.preventDefault();
            side.scrollIntoView({ block: "start" });
            list.focus({ preventScroll: true });
          } }, "To the list")),
        ...(card.label === null ? [] : [
          el("p", { className: "sae-verdict" }, `${weak(card) ? "No label fits well; this is the best. " : ""}When it is ${on}, ${ofHundred(card.precision)} of 100 tokens carry the label “${card.label}”. Of all tokens that carry it, the brick is ${on} for ${ofHundred(card.recall)} of 100.`),
          el("ul", { className: "sae-scores" }, .../** @type {[string, number][]} */ (scores).map(([name, value]) => el("li", {}, el("span", {}, name), " ", el("strong", {}, two(value)),
            ...(name === "F1" ? rests.map((words) => el("span", {}, words)) : [])))),
        ]),
        el("div", { className: "sae-examples" }, groups, told),
        el("div", { className: "sae-facts" }, ...pushed(card), ...alike(card), effect(card), histogram(card)));
    }

    /** @param {number} at */
    function choose(at) {
      if (at === state.at) return;
      state.at = at;
      missing = "";
      reveal();
      drawRows();
      drawCard();
      shared.feature.set(String(cards[state.at].feature));
      tell();
    }
    /** @param {Partial<typeof state>} news */
    function ask(news) {
      Object.assign(state, news);
      drawList();
      // Who sorts or searches wants to see what comes first.
      if (news.order !== undefined || news.query !== undefined) list.scrollTop = 0;
      shared.among.set([state.order, state.least, state.low, state.high].join("."));
      if (state.query || shared.find.get()) shared.find.set(state.query);
      tell();
    }

    const field = el("input", { type: "search", name: "search", id: uniqueId("search"), placeholder: "a label, a token, #12", autocomplete: "off", spellcheck: false,
      oninput: () => ask({ query: field.value }),
      // From the search on into what it found, as in any list that is searched.
      onkeydown: (/** @type {KeyboardEvent} */ event) => {
        if (!["Enter", "ArrowDown"].includes(event.key) || composes(event) || !found.length) return;
        event.preventDefault();
        choose(found[0]);
        if (event.key === "ArrowDown") list.focus();
      } });
    const least = slider({
      label: "F1 at least", min: 0, max: 20, value: 0, words: (value) => (value ? two(value / 20) : "any"), onInput: (value) => ask({ least: value }),
    });
    const often = (/** @type {"low"|"high"} */ end, /** @type {string} */ label) => {
      const select = el("select", { name: end, "aria-label": label, onchange: () => ask({ [end]: select.selectedIndex }) },
        ...SHARES.map((share) => el("option", {}, percent(share))));
      return select;
    };
    const [low, high] = [often("low", "On for at least this share of all tokens"), often("high", "On for at most this share of all tokens")];
    const sorting = chooser({ label: "Sort by", choices: ORDERS.map((name) => ({ name, face: name })), value: 0, onInput: (order) => ask({ order }) });
    function showControls() {
      sorting.set(state.order);
      least.set(state.least);
      field.value = state.query;
      low.selectedIndex = state.low;
      high.selectedIndex = state.high;
    }
    controls.append(sorting.node,
      el("div", { className: "sae-field" }, el("label", { for: field.id }, "Search"), field), least.node,
      el("div", { className: "sae-field", role: "group", "aria-label": "How often it is on" }, el("span", {}, "On for"), low, el("span", {}, "to"), high, el("span", {}, "of tokens")));
    stage.append(el("div", { className: "sae-room" }, el("div", { className: "sae-browser" }, side, sheet)));

    const linked = restore() >= 0;
    showControls();
    drawList();
    drawCard();
    tell();
    // In a notebook, what is rendered may not stand in the page yet, and has no height.
    const measured = new ResizeObserver(() => { reveal(); drawRows(); });
    measured.observe(list);
    // A link that leads to a feature leads to its card too; a page that is only loaded anew stays where it was.
    const comes = performance.getEntriesByType("navigation")[0];
    const lead = () => {
      const { top } = sheet.getBoundingClientRect();
      if (top < 0 || top > innerHeight / 2) sheet.scrollIntoView({ block: "start" });
    };
    if ((linked || missing) && /** @type {any} */ (comes)?.type === "navigate") lead();
    /** An address says what is seen; one that does not, brings back what was seen there before. @param {HashChangeEvent} event */
    const arrive = (event) => {
      const [was, told] = [state.at, missing];
      left.set(new URL(event.oldURL).hash, { ...state });
      Object.assign(state, left.get(location.hash));
      const there = restore() >= 0;
      showControls();
      drawList();
      if (state.at !== was || missing !== told) drawCard();
      tell();
      if (there || missing) lead();
    };
    addEventListener("hashchange", arrive);
    return () => {
      measured.disconnect();
      removeEventListener("hashchange", arrive);
    };
  },
};
