"""What the tests of quizzes share: a small page with a model that stands in for the notebook's, and the ways to it."""

PAGE = """<!doctype html>
<html lang="en" HOST><meta charset="utf-8"><title>A quiz</title><link rel="icon" href="data:,">
<meta name="viewport" content="width=device-width">
<style>STYLE
  body { margin: 0 auto; padding: 16px; max-width: 800px; background: #fff; }
  html[data-theme=dark] body { background: #121212; }</style>
<main id="views"></main>
<script type="application/json" id="state">STATE</script>
<script>
  // As much of a Backbone model as anywidget promises. `saved` is what Python would have been told.
  const state = JSON.parse(document.getElementById("state").textContent);
  const listeners = [];
  window.saved = [];
  window.model = {
    get: (name) => state[name],
    set(name, value) {
      if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
      state[name] = value;
      for (const [event, listener] of [...listeners]) if (event === `change:${name}`) listener();
    },
    save_changes: () => window.saved.push(JSON.parse(JSON.stringify(state.answers))),
    on: (event, listener) => listeners.push([event, listener]),
    off: (event, listener) => listeners.splice(listeners.findIndex((l) => l[0] === event && l[1] === listener), 1),
    listeners,
  };
  window.show = async () => {
    const url = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
    const el = document.getElementById("views").appendChild(document.createElement("div"));
    return (await import(url)).default.render({ model: window.model, el });
  };
  window.show().then(() => { document.documentElement.dataset.ready = ""; });
</script></html>"""
# Scripts that keep a page from keeping anything, in the ways that browsers do.
NO_STORAGE = {
    "denied": "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError'); } })",
    "absent": "Object.defineProperty(window, 'localStorage', { value: null })",
    "full": "Storage.prototype.setItem = () => { throw new DOMException('', 'QuotaExceededError'); }",
}


def question(tab, prompt):
    return tab.get_by_role("group", name=prompt, exact=True)


def status(tab, prompt):
    return question(tab, prompt).get_by_role("status")


def check(tab, prompt):
    question(tab, prompt).get_by_role("button", name="Check", exact=True).click()


def kept(tab):
    return tab.evaluate("({...localStorage})")


def score(tab):
    return tab.locator(".sae-quiz-score").first.inner_text()


def reload(tab):
    tab.reload()
    tab.wait_for_selector("html[data-ready]")


def elements(tab) -> set[str]:
    """The kinds of elements that the quiz is made of, less those that every quiz may have."""
    found = set(tab.evaluate("[...document.querySelectorAll('#views *')].map((e) => e.localName)"))
    return found - {"div", "section", "p", "span", "fieldset", "legend", "label", "input", "button", "a", "code", "em", "strong"}
