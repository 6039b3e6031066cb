"""What stands in for the explorable *Inside a GPT, live* in tests of questions about it: it tells what it is given to tell."""

from typing import Any

# What an explorable shows that has just been opened.
SEEN: dict[str, Any] = {
    "name": "type",
    "title": "Inside a GPT, live",
    "text": "def run(self):\n    self.name = ",
    "example": False,
    "tokens": ["", "def", " run", "(self):\n", "    ", "self.name", " =", " "],
    "place": 6,
    "guesses": [[" name", 0.98], [" None", 0.01]],
    "bits": [None, 9.5, 7.25, 0.5, 0.25, 6.5, 8.25, 0.125],
    "features": [[12, 2.5], [3, 0.25]],
    "edited": None,
    "step": 5000,
}


def seen(**changes: Any) -> dict[str, Any]:
    return {**SEEN, **changes}


def tell(tab, detail: dict[str, Any]) -> None:
    """Let the explorable tell this, now and whenever it is asked; a real one of the page falls silent."""
    tab.evaluate(
        """(detail) => {
          if (!window.told) {
            const silent = (event) => { if (event.detail && !window.told.includes(event.detail)) event.stopImmediatePropagation(); };
            window.addEventListener("saelive", silent, true);
            document.addEventListener("saelive-ask", () => window.say());
          }
          window.told = [...(window.told ?? []).filter(({ name }) => name !== detail.name), detail];
          window.say = () => { for (const detail of window.told) document.dispatchEvent(new CustomEvent("saelive", { detail })); };
          window.say();
        }""",
        detail,
    )


def reached(question: dict[str, Any]) -> dict[str, Any]:
    """What the explorable shows where all that a question's goal names holds."""
    goal = question["goal"]
    share = goal.get("sure", goal.get("unsure", 0.5))
    guess = goal.get("guess", " so")
    text = " ".join(["it", *goal.get("holds", [])])
    on = [[goal["feature"], goal.get("strength", 0) + 1]] if "feature" in goal else []
    turned = {"guesses": [[f"{guess}!", 0.5]], "gains": [[goal["turned"], 0]] if "turned" in goal else [], "puts": [], "heads": []}
    return seen(
        name=question["explorable"],
        text=text,
        tokens=["", *[text] * goal.get("least_tokens", 1)],
        place=1,
        guesses=[[guess, share], [" or", 0]],
        bits=[None, *[goal.get("surprise", 0)] * goal.get("least_tokens", 1)],
        features=on,
        edited=turned if {"turned", "changed"} & set(goal) else None,
    )


def missed(question: dict[str, Any]) -> dict[str, Any]:
    """The same where nothing of it holds."""
    goal = question["goal"]
    off = [[goal["off"], 1]] if "off" in goal else []
    share = 0 if "sure" in goal else 1
    text = " ".join(goal.get("lacks", []))
    guesses = [["" if "guess" in goal else " so", share]]
    return seen(name=question["explorable"], text=text, tokens=["", text][: 1 + ("least_tokens" not in goal)], place=0, guesses=guesses,
                bits=[None, 0], features=off, edited=None, example=True)  # fmt: skip
