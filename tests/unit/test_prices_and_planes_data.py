"""What one brick, one price and turn the plane carry to the page, and what they refuse."""

import gzip

import numpy as np
import pytest
import saelib
import torch
from hostile import described, not_a_matrix, not_a_rate, refusal, spoiled, unhurried
from hypothesis import given
from hypothesis import strategies as st
from saelib.data import Pictures
from saelib.widgets import OnePrice, TurnThePlane


def test_one_price_begins_where_it_is_told_to():
    assert (OnePrice().price, OnePrice(0).price, OnePrice(2.5).price, OnePrice(0.123).price) == (80, 0, 250, 12)


@given(not_a_rate | st.floats(min_value=2.51))
def test_one_price_refuses_another_price(value):
    assert f"price is {value!r}" in refusal(lambda: OnePrice(value))


@pytest.fixture(scope="module")
def digits():
    return saelib.data.digits()[1]


@pytest.fixture(scope="module")
def components(digits):
    return torch.linalg.svd(digits.x - digits.x.mean(dim=0), full_matrices=False).Vh[:2]


def carried(widget, n: int, d: int = 64):
    """The mean, components, pictures and messages that a plane carries."""
    numbers = torch.tensor(np.frombuffer(widget.numbers, "<f4"))
    mean, components, x, codes = numbers.split([d, 2 * d, n * d, 2 * n])
    return mean, components.view(2, d), x.view(n, d), codes.view(n, 2)


def test_the_plane_carries_the_messages_of_pca(digits, components):
    mean = digits.x.mean(dim=0)
    widget = TurnThePlane(components, mean, digits, angle=-7, first=3)
    for found, wanted in zip(carried(widget, 297), (mean, components, digits.x, (digits.x - mean) @ components.T)):
        torch.testing.assert_close(found, wanted)
    assert (widget.angle, widget.first, widget.labels) == (-7, 3, digits.label.tolist())
    assert digits.label[widget.samples].tolist() == list(range(10))


def test_the_plane_carries_what_a_linear_autoencoder_says(digits):
    linear = saelib.Autoencoder(64, 2)
    half = linear.decoder[0]
    with torch.no_grad():
        half.bias += 0.1
    mean, components, x, codes = carried(TurnThePlane(half.weight.T, half.bias, digits, codes=linear.encode(digits.x)), 297)
    torch.testing.assert_close(codes, linear.encode(digits.x).detach())
    torch.testing.assert_close(codes @ components + mean, linear(x).detach())


def test_the_plane_is_light(digits, components):
    widget = TurnThePlane(components, digits.x.mean(dim=0), digits)
    assert len(gzip.compress(widget.numbers)) < 25_000


@pytest.mark.parametrize(
    "change, words",
    [
        ({"components": torch.ones(3, 64)}, "components has shape (3, 64); expected (2, d)"),
        ({"components": torch.ones(1, 64)}, "components has shape (1, 64); expected (2, d)"),
        ({"components": torch.ones(2, 16)}, "pictures.x has shape (297, 64)"),
        ({"mean": torch.ones(63)}, "mean has shape (63,); expected a tensor of shape (64,)"),
        ({"mean": torch.ones(1, 64)}, "mean has shape (1, 64)"),
        ({"mean": 0.5}, "mean is of type float"),
        ({"mean": torch.full((64,), float("nan"))}, "mean holds nan at (0,)"),
        ({"codes": torch.ones(296, 2)}, "codes has 296 rows; expected 297"),
        ({"codes": torch.ones(297, 3)}, "codes has shape (297, 3)"),
        ({"codes": torch.zeros(297, 2)}, "codes holds zeros only"),
        ({"codes": "x"}, "codes is of type str"),
        ({"angle": 181}, "angle is 181"),
        ({"angle": -181}, "angle is -181"),
        ({"angle": 0.5}, "angle is 0.5"),
        ({"angle": None}, "angle is None"),
        ({"first": 10}, "first is 10; expected at most 9, the number of the last kind in pictures"),
        ({"first": -1}, "first is -1"),
        ({"pictures": Pictures(torch.ones(4, 64), torch.arange(4))}, "pictures.x has no variance"),
        ({"pictures": Pictures(torch.rand(2, 64), torch.arange(3))}, "pictures.label has 3 entries"),
    ],
)
def test_a_plane_refuses_what_does_not_fit(digits, components, change, words):
    assert words in refusal(lambda: TurnThePlane(**{"components": components, "mean": digits.x[0], "pictures": digits, **change}))


@pytest.mark.parametrize("name", ["components", "pictures.x", "codes"])
class TestNumbersThatAreNone:
    @staticmethod
    def make(name, value):
        given = {"components": torch.eye(2), "mean": torch.zeros(2), "codes": torch.eye(2), "pictures.x": torch.eye(2), name: value}
        return TurnThePlane(pictures=Pictures(given.pop("pictures.x"), torch.arange(2)), **given)

    @unhurried
    @given(not_a_matrix(2))
    def test_of_another_shape(self, name, value):
        if name == "codes" and value is None:
            return  # that is to leave them out
        words = refusal(lambda: self.make(name, value))
        # A matrix of components says itself how many numbers a picture is to have.
        assert described(value) in words or (name == "components" and "pictures.x has shape" in words)

    @unhurried
    @given(spoiled(2, 2))
    def test_not_finite(self, name, made):
        value, where = made
        words = refusal(lambda: self.make(name, value))
        assert where in words and words.startswith(name)
