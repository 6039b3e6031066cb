"""Checks of arguments, each written once: an error names the argument, the value it got and what was expected."""

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

import torch


def matrix(name: str, value: object, columns: int | None = None, dtype: torch.dtype | None = None) -> torch.Tensor:
    """`value` if it is a non-empty floating-point tensor (of `dtype`) of shape (rows, `columns`); else ValueError."""
    expected = f"a {dtype or 'floating-point'} tensor of shape (n, {'d' if columns is None else columns})"
    if not isinstance(value, torch.Tensor):
        raise ValueError(f"{name} is of type {type(value).__name__}; expected {expected}")
    if not value.is_floating_point() or dtype not in (None, value.dtype):
        raise ValueError(f"{name} has dtype {value.dtype}; expected {expected}")
    if value.ndim != 2 or (columns is not None and value.shape[1] != columns):
        raise ValueError(f"{name} has shape {tuple(value.shape)}; expected {expected}")
    if value.numel() == 0:
        raise ValueError(f"{name} has shape {tuple(value.shape)}, so it is empty; expected at least one row and column")
    return value


def finite(name: str, value: torch.Tensor) -> torch.Tensor:
    """`value` if it holds neither NaN nor infinity; else ValueError, with the place of the first one."""
    good = torch.isfinite(value)
    if not good.all():
        place = tuple((~good).nonzero()[0].tolist())
        raise ValueError(f"{name} holds {value[place].item()} at {place}; expected finite numbers only")
    return value


def vectors(name: str, value: object, n: int, d: int) -> torch.Tensor:
    """`value` if it is a floating-point tensor of finite numbers, (d,) or (n, d); else ValueError."""
    if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.shape not in ((d,), (n, d)):
        got = f"{tuple(value.shape)}, {value.dtype}" if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"{name} is {got}; expected a floating-point tensor of shape ({d},) or ({n}, {d})")
    return finite(name, value)


def count(name: str, value: object, *, least: int = 1, most: int | None = None, why: str = "") -> int:
    """`value` as an int if it is a whole number of at least `least` (and at most `most`); else ValueError."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ValueError(f"{name} is {value!r}; expected a whole number of at least {least}")
    if most is not None and int(value) > most:
        raise ValueError(f"{name} is {value!r}; expected at most {most}{', ' + why if why else ''}")
    return int(value)


def feature(name: str, value: object, d_sae: int) -> int:
    """`value` as an int if it is the number of one of `d_sae` features, counted from 0; else ValueError."""
    return count(name, value, least=0, most=d_sae - 1, why=f"for there are d_sae = {d_sae} features")


def counts(name: str, value: object, expected: str, *, empty: bool = False, **bounds: Any) -> tuple[int, ...]:
    """`value` as a tuple if it is a sequence (`empty` only where that is allowed) of which each item is a `count` within
    `bounds`; else ValueError, which says that `expected` was expected."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not (empty or len(value)):
        raise ValueError(f"{name} is {value!r}; expected {expected}")
    return tuple(count(f"{name}[{i}]", item, **bounds) for i, item in enumerate(value))


def seed(value: object) -> int:
    """`value` as an int if torch can start its random numbers from it; else ValueError."""
    return count("seed", value, least=0, most=2**63 - 1)


def number(
    name: str,
    value: object,
    *,
    above: float | None = None,
    below: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> float:
    """`value` as a float if it is finite, within (`above`, `below`) and within [`least`, `most`]; else ValueError."""
    bounds = {"above": above, "below": below, "of at least": least, "of at most": most}
    bound = " and".join(f" {words} {limit}" for words, limit in bounds.items() if limit is not None)
    try:
        real = float(value) if isinstance(value, Real) and not isinstance(value, bool) else math.nan
    except OverflowError:  # a whole number too large for a float
        real = math.inf
    if (
        not math.isfinite(real)
        or (above is not None and real <= above)
        or (below is not None and real >= below)
        or (least is not None and real < least)
        or (most is not None and real > most)
    ):
        raise ValueError(f"{name} is {value!r}; expected a finite number{bound}")
    return real
