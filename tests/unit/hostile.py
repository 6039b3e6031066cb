"""Input that has to be refused, as Hypothesis strategies, and how a refusal is read."""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import settings
from hypothesis import strategies as st

unhurried = settings(deadline=None, max_examples=40)

_no_number = st.one_of(
    st.none(), st.booleans(), st.text(max_size=5), st.binary(max_size=5), st.lists(st.integers(), max_size=2),
    st.complex_numbers(), st.just(np.bool_(True)), st.just(torch.tensor(3)), st.just(np.ones(2)),
)  # fmt: skip
not_a_count = _no_number | st.integers(max_value=0) | st.floats() | st.just(np.float32(2)) | st.just(Fraction(3))
not_a_seed = _no_number | st.integers(max_value=-1) | st.integers(min_value=2**63) | st.floats()
not_finite = st.sampled_from([float("nan"), float("inf"), float("-inf"), np.float32("nan"), 10**400, -(10**400)])
not_a_rate = _no_number | not_finite | st.floats(max_value=-1e-300, allow_nan=False) | st.integers(max_value=-1)


def not_a_matrix(columns: int) -> st.SearchStrategy[Any]:
    """What is no floating-point tensor of shape (n, columns): another type, dtype or shape, or empty."""
    shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
    return st.one_of(
        st.sampled_from([None, 3.0, "x", [[0.0] * columns], np.zeros((2, columns))]),
        st.sampled_from([torch.int64, torch.uint8, torch.bool, torch.complex64]).map(lambda dtype: torch.zeros(2, columns, dtype=dtype)),
        shapes.filter(lambda shape: len(shape) != 2 or shape[1] != columns or 0 in shape).map(torch.zeros),
    )


@st.composite
def spoiled(draw: st.DrawFn, rows: int, columns: int) -> tuple[torch.Tensor, str]:
    """A (rows, columns) tensor with one NaN or infinity in it, and the words that tell which and where."""
    row, column = draw(st.integers(0, rows - 1)), draw(st.integers(0, columns - 1))
    value = draw(st.sampled_from(["nan", "inf", "-inf"]))
    x = torch.linspace(-1, 1, rows * columns).reshape(rows, columns)
    x[row, column] = float(value)
    return x, f"{value} at ({row}, {column})"


def refusal(call: Callable[[], Any]) -> str:
    """What the ValueError says that `call` has to raise."""
    with pytest.raises(ValueError) as error:
        call()
    return str(error.value)


def described(value: Any) -> str:
    """What of a value that is no matrix a refusal has to show."""
    if not isinstance(value, torch.Tensor):
        return f"type {type(value).__name__}"
    return f"shape {tuple(value.shape)}" if value.dtype == torch.float32 else f"dtype {value.dtype}"
