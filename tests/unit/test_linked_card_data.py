"""What the linked card carries to the page, how little it weighs, and what it refuses."""

import gzip

import numpy as np
import pytest
import saelib
import torch
from hostile import described, not_a_matrix, refusal, spoiled, unhurried
from hypothesis import given
from saelib.data import Pictures
from saelib.widgets import LinkedCard


@pytest.fixture(scope="module")
def digits():
    return saelib.data.digits()[0]


def box(rule=None, d_in: int = 64, d_sae: int = 64) -> saelib.SparseAutoencoder:
    return saelib.SparseAutoencoder(d_in, d_sae, rule or saelib.TopK(3), seed=0)


def used_most(codes: torch.Tensor) -> list[int]:
    often = (codes > 0).sum(dim=0)
    return sorted(range(len(often)), key=lambda feature: (-int(often[feature]), feature))


def bars(card: LinkedCard, place: int) -> list[tuple[float, float]]:
    width, decimals = card.steps[place]
    return [(i * width / 10**decimals, (i + 1) * width / 10**decimals) for i in range(len(card.counts[place]))]


def test_the_twelve_used_most_can_be_chosen_and_the_first_of_them_is_shown(digits):
    sae = box()
    order = used_most(sae.encode(digits.x))
    card = LinkedCard(sae, digits)
    assert (card.features, card.first, card.total) == (order[:12], 0, 1500)
    assert (LinkedCard(sae, digits, first=order[5]).features, LinkedCard(sae, digits, first=order[5]).first) == (order[:12], 5)
    # One that is used less stands before them.
    card = LinkedCard(sae, digits, first=order[20])
    assert (card.features, card.first) == ([order[20], *order[:11]], 0)
    card = LinkedCard(sae, digits, features=[order[30], order[3]], first=order[3])
    assert (card.features, card.first) == ([order[30], order[3]], 1)
    assert LinkedCard(sae, digits, features=(order[30], order[3])).first == 0


def test_features_that_are_never_on_cannot_be_chosen(digits):
    sae = box(saelib.TopK(1))
    with torch.no_grad():
        sae.b_enc[5:] -= 1000
    assert sorted(LinkedCard(sae, digits).features) == sorted((sae.encode(digits.x) > 0).any(dim=0).nonzero().ravel().tolist())


def test_each_bar_counts_the_digits_of_each_kind_within_its_edges(digits):
    sae = box()
    card = LinkedCard(sae, digits)
    codes = sae.encode(digits.x).detach().double()
    assert card.kinds == list(range(10))
    for place, feature in enumerate(card.features):
        own = codes[:, feature]
        for (low, high), counts in zip(bars(card, place), card.counts[place], strict=True):
            there = (own > low) & (own <= high)
            assert counts == [int((there & (digits.label == kind)).sum()) for kind in range(10)]
        assert sum(map(sum, card.counts[place])) == (own > 0).sum()


@pytest.mark.parametrize("scale", [1e-4, 0.07, 1, 33, 1e5])
def test_about_ten_bars_with_round_edges_reach_from_zero_to_the_strongest(digits, scale):
    sae = box()
    with torch.no_grad():
        sae.W_enc *= scale
    card = LinkedCard(sae, digits)
    codes = sae.encode(digits.x).detach()
    for place, feature in enumerate(card.features):
        edges = bars(card, place)
        assert 6 <= len(edges) <= 12
        assert edges[-1][0] < codes[:, feature].max() <= edges[-1][1]
        width, decimals = card.steps[place]
        assert decimals >= 0 and len(str(width).rstrip("0")) == 1


def test_up_to_eight_digits_of_a_bar_are_shown_spread_from_the_weakest_to_the_strongest(digits):
    sae = box()
    card = LinkedCard(sae, digits)
    codes = sae.encode(digits.x).detach()
    examples = np.frombuffer(card.examples, "<u2").tolist()
    strengths = np.frombuffer(card.numbers, "<f4")[12 * 64 :][: len(examples)].tolist()
    pictures = torch.tensor(np.frombuffer(card.pictures, np.uint8)).view(len(card.labels), 64)
    assert max(examples) == len(pictures) - 1 and len(pictures.unique(dim=0)) > 200
    at = 0
    for place, feature in enumerate(card.features):
        for (low, high), counts in zip(bars(card, place), card.counts[place]):
            own = codes[:, feature]
            there = own[(own > low) & (own <= high)].sort().values
            shown = strengths[at : at + min(8, sum(counts))]
            assert shown == sorted(shown) and set(shown) <= set(there.tolist())
            if len(there) > 1:
                assert (shown[0], shown[-1]) == (there[0], there[-1])
                steps = torch.searchsorted(there, torch.tensor(shown)).diff()
                assert steps.max() - steps.min() <= 1
            for strength, example in zip(shown, examples[at : at + 8]):
                (number,) = ((own == strength) & (digits.label == card.labels[example])).nonzero()
                assert (pictures[example] / 255 - digits.x[number]).abs().max() <= 0.5 / 255 + 1e-6
            at += len(shown)
    assert at == len(examples)


def ruled(rule) -> saelib.SparseAutoencoder:
    """A model with this rule, of which all weights that have to do with strengths are about."""
    sae = box(rule)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weight in sae.named_parameters():
            if name not in ("W_dec", "W_enc"):
                weight += 0.1 * torch.randn(weight.shape, generator=generator)
        if hasattr(sae.sparsity, "batches"):
            sae.sparsity.threshold.fill_(0.3)
    return sae


RULES = [
    saelib.TopK(4), saelib.L1(1.0), saelib.BatchTopK(4), saelib.Matryoshka((8, 64), 4), saelib.JumpReLU(1.0), saelib.Gated(1.0),
]  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: type(rule).__name__)
def test_the_page_can_say_how_strongly_a_feature_is_on_under_every_rule(digits, rule):
    sae = ruled(rule)
    card = LinkedCard(sae, digits)
    numbers = torch.tensor(np.frombuffer(card.numbers, "<f4"))[12 * 64 + len(card.examples) // 2 :]
    rows = len(numbers) // 67
    # Only where features win against each other have all to be there.
    assert (rows, card.k) == ((64, 4) if type(rule) is saelib.TopK else (12, 0))
    weights, offset, threshold, addition = numbers.split([64 * rows, rows, rows, rows])
    pre = digits.x @ weights.view(rows, 64).T + offset
    on = pre > threshold
    if card.k:
        on &= pre >= pre.topk(card.k).values[:, -1:]
    found = (on * (pre + addition).clamp_min(0))[:, :12]
    wanted = sae.encode(digits.x).detach()[:, card.features]
    assert (wanted > 0).any(dim=0).all() and (wanted == 0).any()
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_the_card_of_twelve_features_is_light(digits):
    card = LinkedCard(box(d_sae=128), digits)
    parts = [card.pictures, card.examples, card.numbers, str(card.counts).encode(), str(card.labels).encode()]
    assert sum(len(gzip.compress(part)) for part in parts) < 70_000


@pytest.mark.parametrize(
    "change, words",
    [
        ({"sae": None}, "sae is of type NoneType; expected a SparseAutoencoder"),
        ({"sae": saelib.Autoencoder(64, 2)}, "sae is of type Autoencoder"),
        ({"sae": box(d_in=16)}, "sae has d_in = 16; expected 64"),
        ({"sae": box(saelib.Drawers((32, 32)))}, "sae is Drawers(sizes=(32, 32)); expected one with TopK, BatchTopK"),
        ({"sae": box(saelib.KL(0.1, 1.0))}, "sae is KL(target_rate=0.1, coefficient=1.0); expected one with TopK"),
        ({"digits": Pictures(torch.rand(2, 64), torch.arange(3))}, "pictures.label has 3 entries"),
        ({"features": []}, "features is []; expected a list with the number of at least one feature"),
        ({"features": 3}, "features is 3; expected a list"),
        ({"features": "12"}, "features is '12'; expected a list"),
        ({"features": [0, 64]}, "features[1] is 64; expected at most 63, for there are d_sae = 64 features"),
        ({"features": [-1]}, "features[0] is -1"),
        ({"features": [1.0]}, "features[0] is 1.0"),
        ({"features": [True]}, "features[0] is True"),
        ({"features": [3, 5, 3]}, "features[2] is 3, which stands there already; expected each feature once"),
        ({"features": [3, 5], "first": 4}, "first is 4; expected one of features, [3, 5]"),
        ({"first": 64}, "first is 64; expected at most 63"),
        ({"first": -1}, "first is -1"),
        ({"first": "3"}, "first is '3'"),
    ],
)
def test_a_linked_card_refuses_what_does_not_fit(digits, change, words):
    assert words in refusal(lambda: LinkedCard(**{"sae": box(), "digits": digits, **change}))


def test_a_linked_card_refuses_a_feature_that_is_never_on(digits):
    sae = box()
    with torch.no_grad():
        sae.b_enc[7] = -1000
    used = used_most(sae.encode(digits.x))[0]
    assert "features[1] is 7, which is on for none of digits; expected a feature that is on for some" in refusal(
        lambda: LinkedCard(sae, digits, features=[used, 7])
    )
    assert refusal(lambda: LinkedCard(sae, digits, first=7)).startswith("first is 7, which is on for none of digits")
    with torch.no_grad():
        sae.b_enc[:] = -1000
    assert refusal(lambda: LinkedCard(sae, digits)).startswith("sae has no feature that is on for any of digits")


@unhurried
@given(not_a_matrix(64))
def test_pictures_of_another_shape_are_refused(value):
    assert described(value) in refusal(lambda: LinkedCard(box(), Pictures(value, torch.arange(2))))


@unhurried
@given(spoiled(2, 64))
def test_pictures_that_are_not_finite_are_refused(made):
    x, where = made
    assert where in refusal(lambda: LinkedCard(box(), Pictures(x, torch.arange(2))))
