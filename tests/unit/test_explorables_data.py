"""What the dial, the switchboard and superposition carry to the page, how little it weighs, and what they refuse."""

import gzip

import numpy as np
import pytest
import saelib
import torch
from hostile import described, not_a_matrix, refusal, spoiled, unhurried
from hypothesis import given
from hypothesis import strategies as st
from saelib.data import Pictures
from saelib.widgets import Dial, HowFewBricks, Superposition, Switchboard
from saelib.widgets.base import javascript


@pytest.fixture(scope="module")
def digits():
    return saelib.data.digits()[1]


def box(k: int, d_in: int = 64, d_sae: int = 128, seed: int = 0) -> saelib.SparseAutoencoder:
    return saelib.SparseAutoencoder(d_in, d_sae, saelib.TopK(k), seed=seed)


@pytest.fixture(scope="module")
def saes():
    return {k: box(k) for k in (1, 4, 16)}


def unpack(dial: Dial, pictures: int, side: int):
    """The dial's mean and pictures, and for each k its offset, its bricks and the dense codes of the pictures over them."""
    numbers, at = torch.tensor(np.frombuffer(dial.numbers, "<f4")), 0
    bricks = torch.tensor(np.frombuffer(dial.bricks, np.int8)).float().view(-1, side)

    def take(*shape):
        nonlocal at
        at += int(np.prod(shape))
        return numbers[at - int(np.prod(shape)) : at].view(*shape)

    mean, x = take(side), take(pictures, side)
    boxes = []
    for k, features in zip(dial.ks, dial.features):
        offset, largest = take(side), take(len(features), 1)
        rows, bricks = bricks[: len(features)] * largest / 127, bricks[len(features) :]
        strengths, places = take(pictures, k), take(pictures, k).long()
        boxes.append((offset, rows, torch.zeros(pictures, len(features)).scatter_add(1, places, strengths)))
    assert at == len(numbers) and len(bricks) == 0
    return mean, x, boxes


def test_the_dial_carries_what_rebuilds_each_picture(saes, digits):
    dial = Dial(saes, digits)
    mean, x, boxes = unpack(dial, 20, 64)
    assert torch.equal(mean, digits.x.mean(dim=0))
    assert dial.ks == [1, 4, 16] and dial.start == 1 and dial.labels == list(range(10))
    for k, features, (offset, rows, codes) in zip(dial.ks, dial.features, boxes):
        wanted = saes[k].encode(x).detach()
        torch.testing.assert_close(codes, wanted[:, features])
        assert (wanted > 0).any(dim=0).nonzero().ravel().tolist() == features
        assert (rows - saes[k].W_dec[features].detach()).abs().max() < 0.5 / 127 * rows.abs().max() + 1e-6
        assert (codes @ rows + offset - saes[k].decode(wanted).detach()).abs().max() < 0.02


def test_the_dials_ten_are_unusual_and_each_of_its_kind(saes, digits):
    _, x, _ = unpack(Dial(saes, digits), 20, 64)
    error = (digits.x - saes[1](digits.x)).square().sum(dim=1) / (digits.x - digits.x.mean(dim=0)).square().sum(dim=1)
    for kind in range(10):
        place = (digits.x == x[kind]).all(dim=1).nonzero().item()
        assert digits.label[place] == kind
        own = error[digits.label == kind]
        assert 0.7 < (own < error[place]).double().mean() < 0.85


def test_the_dials_nonsense_is_as_dark_as_digits_pixel_by_pixel(saes, digits):
    small = Pictures(digits.x[:40], torch.arange(40))
    _, x, _ = unpack(Dial(saes, small), 80, 64)
    torch.testing.assert_close(x[40:].sort(dim=0).values, small.x.sort(dim=0).values)
    assert not (x[40:, None] == small.x).all(dim=2).any()


def test_the_dials_errors_are_the_metrics(saes, digits):
    dial = Dial(saes, digits)
    assert dial.frontier == [[k, saelib.metrics.fvu(digits.x, saes[k](digits.x).detach())] for k in (1, 4, 16)]
    measured = [(1, 0.5), (2, 0.25), (4, 0.2), (16, 0.1)]
    given_frontier = Dial(saes, digits, measured)
    assert given_frontier.frontier == [list(point) for point in measured]
    assert given_frontier.nonsense == dial.nonsense and [k for k, _ in dial.nonsense] == [1, 4, 16]


def test_a_dial_of_eleven_boxes_is_light(digits):
    # Untrained bricks are as hard to compress as any. The limit is what a phone should have to load for it.
    dial = Dial({k: box(k, seed=k) for k in (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64)}, digits)
    assert len(gzip.compress(dial.numbers)) + len(gzip.compress(dial.bricks)) < 110_000


@pytest.mark.parametrize("name", ["dial.js", "switchboard.js", "superposition.js", "one_price.js", "turn_the_plane.js", "linked_card.js"])
def test_the_code_of_each_is_light(name):
    # 200 of these are for data that comes late and for line breaks in a notebook's fields, which all bring along.
    assert len(gzip.compress(javascript(f"explorables/{name}").encode())) < 8_400


@pytest.mark.parametrize(
    "change, words",
    [
        ({"saes": {}}, "saes is {}"),
        ({"saes": [1]}, "saes is [1]"),
        ({"saes": {0: None}}, "a key of saes is 0"),
        ({"saes": {2.0: None}}, "a key of saes is 2.0"),
        ({"saes": {2: "x"}}, "saes[2] is of type str"),
        ({"saes": {2: box(3)}}, "saes[2] uses 3 bricks"),
        ({"saes": {1: box(1), 2: box(2, d_in=16)}}, "saes[2] has d_in = 16"),
        ({"saes": {1: box(1, d_in=16)}}, "pictures.x has shape (297, 64)"),
        ({"frontier": [(1, 0.5), (4, 0.2)]}, "no point for k = 16"),
        ({"frontier": [(1, 0.5), (16, 0.2), (4, 0.2)]}, "frontier[2] has k = 4 after 16"),
        ({"frontier": [(1, 0.5), (1, 0.4)]}, "frontier[1] has k = 1 after 1"),
        ({"frontier": [(1, 0.5), 4]}, "frontier[1] is 4"),
        ({"frontier": [(1, float("nan"))]}, "frontier[0][1] is nan"),
        ({"frontier": [(1, -0.1)]}, "frontier[0][1] is -0.1"),
        ({"frontier": [(1.5, 0.1)]}, "frontier[0][0] is 1.5"),
        ({"start": 5}, "start is 5; expected one of [1, 4, 16]"),
        ({"first": 10}, "first is 10"),
        ({"first": -1}, "first is -1"),
    ],
)
def test_a_dial_refuses_what_does_not_fit(saes, digits, change, words):
    assert words in refusal(lambda: Dial(**{"saes": saes, "digits": digits, **change}))


def test_explorables_whose_bars_know_no_signs_refuse_a_brick_that_has_them(digits):
    signed = saelib.SparseAutoencoder(64, 8, saelib.Drawers((4, 4)))
    for name, call in {
        "saes[2]": lambda: Dial({2: signed}, digits),
        "sae": lambda: Switchboard(signed, digits),
        "saes[0]": lambda: HowFewBricks([signed], digits, mean=digits.x[0], k=2, start=1),
    }.items():
        assert refusal(call).startswith(f"{name} is Drawers(sizes=(4, 4)), whose codes have signs")


def test_how_few_bricks_may_open_with_none_of_them(digits):
    few = {"saes": [box(4, d_sae=8)], "pictures": digits, "mean": digits.x[0], "k": 4}
    assert HowFewBricks(**few, start=0).start == 0
    assert "start is -1" in refusal(lambda: HowFewBricks(**few, start=-1))
    assert "start is 5; expected at most 4" in refusal(lambda: HowFewBricks(**few, start=5))


def test_a_dial_refuses_digits_that_are_all_alike(saes):
    alike = Pictures(torch.ones(4, 64), torch.arange(4))
    assert "no variance" in refusal(lambda: Dial(saes, alike))


def test_the_switchboard_carries_the_box_and_how_strong_each_brick_typically_is(digits):
    sae = box(3, d_sae=40)
    board = Switchboard(sae, digits, first=7)
    numbers, order = torch.tensor(np.frombuffer(board.numbers, "<f4")), board.features
    offset, bricks, typical, mean, x, codes = numbers.split([64, 40 * 64, 40, 64, 640, 400])
    every = sae.encode(digits.x).detach()
    assert torch.equal(offset, sae.b_dec.detach()) and torch.equal(bricks.view(40, 64), sae.W_dec[order].detach())
    assert torch.equal(mean, digits.x.mean(dim=0)) and torch.equal(x.view(10, 64), digits.one_of_each().x)
    torch.testing.assert_close(codes.view(10, 40), sae.encode(digits.one_of_each().x).detach()[:, order])
    for place, feature in enumerate(order):
        own = every[:, feature][every[:, feature] > 0]
        torch.testing.assert_close(typical[place], (own if len(own) else every[every > 0]).mean())
    assert (board.first, board.labels, board.noun) == (7, list(range(10)), "digit")
    assert (sorted(board.features), board.names) == (list(range(40)), [""] * 40)


def test_a_box_is_sorted_by_the_kind_for_which_a_brick_is_on_the_most(digits):
    sae = box(3, d_sae=40)
    by_kind = torch.stack([sae.encode(digits.x[digits.label == kind]).detach().mean(dim=0) for kind in range(10)])
    order = Switchboard(sae, digits).features
    alive = [feature for feature in order if by_kind[:, feature].max() > 0]
    assert order[: len(alive)] == alive, "those that are never on come last"
    keys = [(int(by_kind[:, feature].argmax()), -by_kind[:, feature].max().item()) for feature in alive]
    assert [kind for kind, _ in keys] == sorted(kind for kind, _ in keys) and len({kind for kind, _ in keys}) > 3
    assert keys == sorted(keys) or all(a <= b or abs(a[1] - b[1]) < 1e-6 for a, b in zip(keys, keys[1:]))


def test_a_switchboard_of_something_else_shows_what_it_is_told_to(digits):
    sae = box(3, d_sae=40)
    pictures = Pictures(digits.x[:5], torch.zeros(5, dtype=torch.int64))
    codes = sae.encode(pictures.x).detach()
    used = (codes > 0).any(dim=0).nonzero().ravel().tolist()
    unused = next(feature for feature in range(40) if feature not in used)
    names = {used[2]: "left ear", used[4]: "left ear", unused: "tail"}
    words = {"title": "Cat switchboard", "prediction": "What goes?", "caption": "It went."}
    board = Switchboard(sae, pictures, shown=[4, 1], first=1, noun="cat", names=names, idle=False, **words)
    numbers = torch.tensor(np.frombuffer(board.numbers, "<f4"))
    size = len(used)
    _, bricks, _, mean, x, own = numbers.split([64, 64 * size, size, 64, 128, 2 * size])
    assert (board.noun, board.first, len(board.labels), sorted(board.features)) == ("cat", 1, 2, used)
    assert sorted(board.features[:2]) == [used[2], used[4]], "those of a name stand together, and before those without"
    used = board.features
    assert board.names == [names.get(feature, "") for feature in used]
    assert {name: getattr(board, name) for name in words} == words
    assert torch.equal(bricks.view(size, 64), sae.W_dec[used].detach())
    assert torch.equal(mean, pictures.x.mean(dim=0)) and torch.equal(x.view(2, 64), pictures.x[[4, 1]])
    torch.testing.assert_close(own.view(2, size), codes[[4, 1]][:, used])
    board = Switchboard(sae, pictures, shown=[4, 1], names=names)
    assert board.names[board.features.index(unused)] == "tail"


@pytest.mark.parametrize(
    "change, words",
    [
        ({"sae": None}, "sae is of type NoneType"),
        ({"sae": saelib.Autoencoder(64, 2)}, "sae is of type Autoencoder"),
        ({"sae": box(2, d_in=16)}, "pictures.x has shape (297, 64)"),
        ({"first": 10}, "first is 10"),
        ({"first": True}, "first is True"),
        ({"first": 2, "shown": [5, 6]}, "first is 2; expected at most 1, the last place in shown"),
        ({"shown": []}, "shown is []; expected a list with the number of at least one row"),
        ({"shown": "12"}, "shown is '12'; expected a list"),
        ({"shown": 3}, "shown is 3; expected a list"),
        ({"shown": [0, 297]}, "shown[1] is 297; expected at most 296, the last row of digits.x"),
        ({"shown": [-1]}, "shown[0] is -1"),
        ({"shown": [0.0]}, "shown[0] is 0.0"),
        ({"noun": ""}, "noun is ''; expected a text that is not empty"),
        ({"noun": None}, "noun is None; expected a text"),
        ({"names": ["left ear"]}, "names is of type list; expected a mapping from a brick's number to its name"),
        ({"names": {128: "left ear"}}, "a key of names is 128; expected at most 127, for there are d_sae = 128 bricks"),
        ({"names": {-1: "left ear"}}, "a key of names is -1"),
        ({"names": {"left ear": 3}}, "a key of names is 'left ear'"),
        ({"names": {3: 4}}, "names[3] is 4; expected a text that is not empty"),
        ({"names": {3: " "}}, "names[3] is ' '"),
        ({"idle": 0}, "idle is 0; expected True or False"),
        ({"title": None}, "title is None; expected a text"),
        ({"prediction": 1}, "prediction is 1"),
        ({"caption": ""}, "caption is ''"),
    ],
)
def test_a_switchboard_refuses_what_does_not_fit(digits, change, words):
    assert words in refusal(lambda: Switchboard(**{"sae": box(2), "digits": digits, **change}))


def test_a_switchboard_refuses_a_digit_without_bricks(digits):
    sae = box(2)
    with torch.no_grad():
        sae.b_enc -= 100
    assert "no brick of sae is on" in refusal(lambda: Switchboard(sae, digits))


@pytest.mark.parametrize("make", [lambda pictures: Dial({2: box(2)}, pictures), lambda pictures: Switchboard(box(2), pictures)])
class TestPicturesThatAreNone:
    @unhurried
    @given(not_a_matrix(64))
    def test_of_another_shape(self, make, value):
        assert described(value) in refusal(lambda: make(Pictures(value, torch.arange(2))))

    @unhurried
    @given(spoiled(2, 64))
    def test_not_finite(self, make, made):
        x, where = made
        assert where in refusal(lambda: make(Pictures(x, torch.arange(2))))

    def test_without_labels(self, make):
        assert "pictures.label has 3 entries" in refusal(lambda: make(Pictures(torch.rand(2, 64), torch.arange(3))))


def test_superposition_begins_where_it_is_told_to():
    toy = Superposition(0.5, decay=0.75, seed=3)
    assert (toy.sparsity, toy.decay, toy.seed) == (50, 75, 3)
    assert (Superposition().sparsity, Superposition().decay) == (97, 90)


@given(st.one_of(st.floats(max_value=-1e-9), st.floats(min_value=0.9901), st.just(float("nan")), st.none(), st.booleans(), st.text()))
def test_superposition_refuses_another_sparsity(value):
    assert f"sparsity is {value!r}" in refusal(lambda: Superposition(value))


@given(st.one_of(st.floats(max_value=0.499), st.floats(min_value=1.001), st.just(float("nan")), st.none(), st.booleans()))
def test_superposition_refuses_another_decay(value):
    assert f"decay is {value!r}" in refusal(lambda: Superposition(decay=value))


@pytest.mark.parametrize("value", [0, -1, 10_000, 1.5, "1", None])
def test_superposition_refuses_another_seed(value):
    assert f"seed is {value!r}" in refusal(lambda: Superposition(seed=value))
