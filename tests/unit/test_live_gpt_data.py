"""What the live GPT carries to the page, and what it refuses."""

import json

import pytest
import saelib
import torch
from hostile import refusal
from saelib.data import train_tokenizer
from saelib.gpt import GPT
from saelib.interpret import FeatureCard
from saelib.widgets import LiveGPT
from saelib.widgets.explorables.live_gpt import PARTS


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(["to be or not to be, that is the question"] * 3, 270)


def small(tokenizer, seed=0, **sizes):
    return GPT(**{"n_tokens": tokenizer.get_vocab_size(), "d_model": 8, "n_layers": 2, "n_heads": 2, "context": 16, "seed": seed, **sizes})


def box(rule=None, d_in=8):
    return saelib.SparseAutoencoder(d_in, 24, rule or saelib.TopK(3), seed=0)


def card(feature, label="a label", f1=0.5):
    return FeatureCard(feature, label, f1, f1, f1, 0.9, 1.0, 0.01, torch.ones(4), 7.12345, [], [], None, [])


def test_it_shows_all_that_it_has_what_for(tokenizer):
    gpt = small(tokenizer)
    assert LiveGPT(gpt, tokenizer).parts == ["guesses", "heads", "write"]
    assert LiveGPT(gpt, tokenizer, box()).parts == ["guesses", "heads", "bricks", "turn", "write"]
    assert LiveGPT(gpt, tokenizer, box(), younger={0: small(tokenizer, 1)}, step=5).parts == [*PARTS]
    assert LiveGPT(gpt, tokenizer, box(), parts=["turn", "guesses"]).parts == ["guesses", "turn"]


def test_it_reads_the_last_block_but_one_unless_told_otherwise(tokenizer):
    assert LiveGPT(small(tokenizer, n_layers=4), tokenizer, box()).block == 2
    assert LiveGPT(small(tokenizer, n_layers=1), tokenizer, box()).block == 0
    assert LiveGPT(small(tokenizer, n_layers=4), tokenizer, box(), block=3).block == 3


def test_cards_travel_as_label_grade_and_strongest(tokenizer):
    live = LiveGPT(small(tokenizer), tokenizer, box(), cards=[card(3, "ü</script>", 0.614), card(0, None, float("nan"))])
    assert json.loads(live.cards) == [[3, "ü</script>", 0.61, 7.123], [0, None, None, 7.123]]


def test_what_is_turned_may_be_given_as_it_was_computed(tokenizer):
    live = LiveGPT(small(tokenizer), tokenizer, box(), gains={2: 0}, puts={5: torch.tensor([2.5])}, here=True)
    assert (live.gains, live.puts, live.here) == ([[2, 0.0]], [[5, 2.5]], True)


def test_younger_selves_come_in_the_order_of_their_steps_and_late(tokenizer):
    live = LiveGPT(small(tokenizer), tokenizer, younger={50: small(tokenizer, 1), 0: small(tokenizer, 2)}, step=100)
    assert live.steps == [0, 50] and len(live.younger) == 2 and live.younger[0] != live.younger[1]
    assert set(live.late) == {"weights", "vocabulary", "box", "cards", "younger"}


def test_the_books_own_is_small_enough_to_be_brought(tokenizer):
    live = LiveGPT(saelib.load_gpt(), saelib.load_tokenizer(), saelib.load(saelib.gpt.SHIPPED / "sae"))
    assert len(live.weights) < 1_700_000 and len(live.weights) + len(live.box) + len(live.vocabulary) < 2_500_000


WRONG = {
    "gpt": (lambda t: LiveGPT(t, t), ["gpt", "Tokenizer", "saelib.GPT"]),
    "too many weights": (lambda t: LiveGPT(small(t, d_model=1_280, n_layers=2), t), ["gpt", "20,000,000"]),
    "tokenizer": (lambda t: LiveGPT(GPT(300, 8, 1, 2, 8), t), ["tokenizer", "300"]),
    "a box of another width": (lambda t: LiveGPT(small(t), t, box(d_in=16)), ["sae", "d_in = 16", "8"]),
    "a rule that the page can't": (lambda t: LiveGPT(small(t), t, box(saelib.Gated(0.1))), ["sae", "Gated"]),
    "block": (lambda t: LiveGPT(small(t), t, box(), block=2), ["block", "2"]),
    "cards": (lambda t: LiveGPT(small(t), t, box(), cards=["x"]), ["cards[0]", "FeatureCard"]),
    "a card of no brick": (lambda t: LiveGPT(small(t), t, box(), cards=[card(24)]), ["cards[0].feature", "24"]),
    "cards without a box": (lambda t: LiveGPT(small(t), t, cards=[card(0)]), ["cards[0].feature"]),
    "gains": (lambda t: LiveGPT(small(t), t, box(), gains={24: 0}), ["gains", "24"]),
    "a negative gain": (lambda t: LiveGPT(small(t), t, box(), gains={1: -1}), ["gains[1]", "-1"]),
    "puts": (lambda t: LiveGPT(small(t), t, box(), puts={1: float("nan")}), ["puts[1]", "nan"]),
    "younger of another size": (lambda t: LiveGPT(small(t), t, younger={1: small(t, n_layers=3)}, step=2), ["younger[1]"]),
    "no step": (lambda t: LiveGPT(small(t), t, younger={1: small(t)}), ["step", "None"]),
    "a step that is no later": (lambda t: LiveGPT(small(t), t, younger={5: small(t)}, step=5), ["step", "5"]),
    "parts": (lambda t: LiveGPT(small(t), t, parts=["guess"]), ["parts", "guess"]),
    "bricks without a box": (lambda t: LiveGPT(small(t), t, parts=["bricks"]), ["parts", "bricks", "sae"]),
    "address": (lambda t: LiveGPT(small(t), t, address="two words"), ["address", "two words"]),
    "text": (lambda t: LiveGPT(small(t), t, text=5), ["text", "5"]),
    "examples": (lambda t: LiveGPT(small(t), t, examples={"a": 5}), ["examples['a']", "5"]),
    "told": (lambda t: LiveGPT(small(t), t, told=2), ["told", "2"]),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_does_not_fit_is_refused_by_name(tokenizer, what):
    call, words = WRONG[what]
    message = refusal(lambda: call(tokenizer))
    for word in words:
        assert word in message, message
