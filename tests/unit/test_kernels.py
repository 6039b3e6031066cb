"""The work on active features alone, against the same sums written with dense matrices and left to autograd."""

import threading
import weakref

import pytest
import torch
from hostile import unhurried
from hypothesis import example, given
from hypothesis import strategies as st
from saelib import kernels
from saelib.kernels import Entries, product, read, rebuild

N, D, FEATURES, BAGS = 3, 4, 5, 6
# (bag, example, feature): so few of each that entries repeat, and bags, examples and features stay empty.
places = st.lists(st.tuples(st.integers(0, BAGS - 1), st.integers(0, N - 1), st.integers(0, FEATURES - 1)), max_size=25)


def entries_at(places) -> Entries:
    bag, example, feature = torch.tensor(sorted(places), dtype=torch.int64).reshape(-1, 3).T.contiguous()
    return Entries(example, feature, bag, BAGS, FEATURES)


def weights(dtype=torch.float32, seed=0) -> dict[str, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    shapes = {"x": (N, D), "W_enc": (D, FEATURES), "b_enc": (FEATURES,), "b_dec": (D,), "W_dec": (FEATURES, D)}
    return {name: torch.randn(shape, generator=random, dtype=torch.float64).to(dtype).requires_grad_() for name, shape in shapes.items()}


def by_kernels(x, W_enc, b_enc, b_dec, W_dec, entries, pre_dtype=None):
    with torch.no_grad():
        pre = ((x - b_dec) @ W_enc + b_enc).to(pre_dtype or x.dtype)
    values = read(x, W_enc, b_enc, b_dec, pre[entries.example, entries.feature], entries)
    return values, rebuild(values, W_dec, entries)


def by_matrices(x, W_enc, b_enc, b_dec, W_dec, entries):
    values = ((x - b_dec) @ W_enc + b_enc)[entries.example, entries.feature]
    return values, torch.zeros(BAGS, D, dtype=x.dtype).index_add(0, entries.bag, values[:, None] * W_dec[entries.feature])


def score(values, bags) -> torch.Tensor:
    """A number in which every value and every bag counts differently."""
    weight = torch.linspace(-1, 2, bags.numel(), dtype=bags.dtype).reshape(bags.shape)
    return (weight * bags).sum() + (bags**2).sum() + (values * torch.linspace(1, 3, len(values), dtype=values.dtype)).sum()


def far(found, expected) -> float:
    """The largest difference, as a share of the largest number that is expected, or of 1, the size of the inputs (sums may cancel)."""
    return ((found - expected).abs().max() / expected.abs().max().clamp_min(1)).item() if expected.numel() else 0.0


@unhurried
@given(places, st.integers(0, 2**32 - 1))
@example([], 0)
@example([(2, 1, 3)] * 4, 0)
@example([(0, 1, 3), (4, 1, 3), (4, 1, 3), (5, 0, 0)], 0)
def test_values_sums_and_all_gradients_are_those_of_dense_matrices(places, seed):
    entries, single = entries_at(places), weights(seed=seed)
    exact = {name: value.detach().double().requires_grad_() for name, value in single.items()}
    found, expected = by_kernels(**single, entries=entries), by_matrices(**exact, entries=entries)
    assert found[0].shape == (len(places),) and found[1].shape == (BAGS, D)
    assert far(found[0], expected[0]) < 1e-5 and far(found[1], expected[1]) < 1e-5
    score(*found).backward()
    score(*expected).backward()
    for name in single:
        assert single[name].grad.shape == single[name].shape
        assert far(single[name].grad, exact[name].grad) < 1e-5, name


@unhurried
@given(places)
@example([])
def test_in_double_precision_they_are_the_same_to_the_last_digits(places):
    entries, one, other = entries_at(places), weights(torch.float64), weights(torch.float64)
    score(*by_kernels(**one, entries=entries)).backward()
    score(*by_matrices(**other, entries=entries)).backward()
    for name in one:
        assert far(one[name].grad, other[name].grad) < 1e-12, name


@pytest.mark.parametrize(
    "places",
    [
        [(0, 0, 1), (0, 0, 3), (1, 1, 1), (2, 2, 0), (2, 2, 4)],
        [(0, 1, 2), (0, 1, 2), (0, 1, 2), (3, 1, 2)],  # the same entry three times in one bag, and again in another
        [(1, 0, 0), (4, 2, 0), (4, 0, 0)],  # one feature, a bag over two examples, bags and an example without entries
        [],
    ],
)
def test_the_gradients_are_those_that_finite_differences_show(places):
    entries, inputs = entries_at(places), weights(torch.float64)
    names = list(inputs)
    assert torch.autograd.gradcheck(lambda *values: by_kernels(**dict(zip(names, values)), entries=entries), tuple(inputs.values()))


def test_reading_and_rebuilding_by_hand():
    x, W_enc = torch.tensor([[1.0, 2.0], [3.0, 5.0]]), torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 10.0]])
    b_enc, b_dec, W_dec = torch.tensor([0.0, 0.5, -1.0]), torch.tensor([1.0, 1.0]), torch.tensor([[1.0, 0], [0, 1.0], [3.0, 4.0]])
    # Less b_dec: (0, 1) and (2, 4); pre-activations (0, 1.5, 9) and (2, 4.5, 43).
    pre = torch.tensor([[0.0, 1.5, 9.0], [2.0, 4.5, 43.0]])
    entries = Entries(torch.tensor([0, 0, 1]), torch.tensor([2, 1, 0]), torch.tensor([0, 0, 2]), bags=3, features=3)
    values = read(x, W_enc, b_enc, b_dec, pre[entries.example, entries.feature], entries)
    assert values.tolist() == [9, 1.5, 2]
    assert rebuild(values, W_dec, entries).tolist() == [[27, 36 + 1.5], [0, 0], [2, 0]]


def test_a_weights_gradient_adds_up_the_rows_of_those_who_used_it():
    entries = Entries(torch.tensor([0, 1, 2]), torch.tensor([2, 0, 2]), torch.tensor([0, 1, 2]), bags=3, features=4)
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0], [5.0, 7.0]])
    gradient = entries.weight_gradient(rows, entries.example, torch.tensor([2.0, 3.0, 10.0]))
    assert gradient.tolist() == [[0, 3], [0, 0], [2 + 50, 70], [0, 0]]


def test_where_bags_and_features_begin():
    entries = Entries(torch.tensor([0, 0, 1, 2]), torch.tensor([3, 1, 3, 1]), torch.tensor([1, 1, 1, 4]), bags=6, features=5)
    assert entries.bag_starts.tolist() == [0, 0, 3, 3, 3, 4, 4]
    order, starts = entries.by_feature
    assert order.tolist() == [1, 3, 0, 2] and starts.tolist() == [0, 0, 2, 2, 4, 4]


def test_the_encoders_memory_may_lie_either_way_round():
    entries = entries_at([(0, 0, 1), (1, 1, 1), (1, 1, 4), (2, 2, 0)])
    for pre_dtype in (None, torch.bfloat16):
        found = []
        for layout in (lambda W: W.contiguous(), lambda W: W.T.contiguous().T):
            inputs = weights()
            inputs["W_enc"] = layout(inputs["W_enc"].detach()).requires_grad_()
            values, bags = by_kernels(**inputs, entries=entries, pre_dtype=pre_dtype)
            score(values, bags).backward()
            found.append((values, inputs["W_enc"].grad))
        assert torch.allclose(found[0][0], found[1][0], rtol=1e-6) and torch.allclose(found[0][1], found[1][1], rtol=1e-6)


def test_an_x_that_needs_no_gradient_gets_none_and_changes_no_other():
    entries = entries_at([(0, 0, 1), (1, 1, 1), (1, 1, 4), (2, 2, 0)])
    one, other = weights(), weights()
    one["x"] = one["x"].detach()
    for inputs in (one, other):
        score(*by_kernels(**inputs, entries=entries)).backward()
    assert one["x"].grad is None
    assert all(torch.equal(one[name].grad, other[name].grad) for name in one if name != "x")


# Chosen by a rougher product.


@unhurried
@given(places.filter(len), st.integers(0, 2**32 - 1))
def test_what_bfloat16_chose_is_computed_in_full_precision(places, seed):
    entries, inputs = entries_at(places), weights(seed=seed)
    exact = {name: value.detach().double().requires_grad_() for name, value in inputs.items()}
    found = by_kernels(**inputs, entries=entries, pre_dtype=torch.bfloat16)
    expected = by_matrices(**exact, entries=entries)
    assert found[0].dtype == found[1].dtype == torch.float32
    assert (found[0] - expected[0]).abs().max() < 1e-5  # bfloat16 errs by some 1e-2 here
    score(*found).backward()
    score(*expected).backward()
    for name in inputs:
        assert inputs[name].grad.dtype == torch.float32
        assert far(inputs[name].grad, exact[name].grad) < 1e-5, name


def test_under_autocast_the_product_is_bfloat16_and_the_values_are_not():
    entries, inputs = entries_at([(0, 0, 1), (1, 1, 1), (1, 1, 4), (2, 2, 0)]), weights()
    x, W_enc, b_enc, b_dec, W_dec = inputs.values()
    with torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            pre = product(x - b_dec, W_enc, b_enc)
        values = read(x, W_enc, b_enc, b_dec, pre[entries.example, entries.feature], entries)
        bags = rebuild(values, W_dec, entries)
    assert (pre.dtype, values.dtype, bags.dtype) == (torch.bfloat16, torch.float32, torch.float32)
    expected = by_matrices(**inputs, entries=entries)
    assert torch.allclose(values, expected[0], rtol=1e-5, atol=1e-6) and torch.allclose(bags, expected[1], rtol=1e-5, atol=1e-6)
    rough = pre.float()[entries.example, entries.feature]
    assert (rough - values).abs().max() > 1e-4, "bfloat16 alone would show"


# The large product and its place in memory.


@pytest.fixture
def empty_place():
    kernels.forget()
    yield
    kernels.forget()


def parts(seed, n=4, d=3, features=6, dtype=torch.float32):
    random = torch.Generator().manual_seed(seed)
    return [torch.randn(*shape, generator=random, dtype=dtype) for shape in ((n, d), (d, features), (features,))]


def test_the_product_is_written_to_the_same_place_every_time(empty_place):
    first = product(*parts(0))
    assert torch.allclose(first, parts(0)[0] @ parts(0)[1] + parts(0)[2], atol=1e-6)
    place, before = first.data_ptr(), first.clone()
    second = product(*parts(1))
    assert second.data_ptr() == place and torch.equal(first, second) and not torch.equal(before, second)
    assert torch.allclose(second, parts(1)[0] @ parts(1)[1] + parts(1)[2], atol=1e-6)


@pytest.mark.parametrize("other", [{"n": 5}, {"features": 7}, {"dtype": torch.float64}])
def test_a_product_of_another_shape_or_precision_gets_another_place(empty_place, other):
    first = product(*parts(0))
    before = first.clone()
    x, W, b = parts(1, **other)
    second = product(x, W, b)
    assert second.dtype == x.dtype and torch.allclose(second, x @ W + b, atol=1e-6)
    assert torch.equal(first, before)


def test_another_thread_does_not_write_over_ones_product(empty_place):
    turn, wrong = threading.Barrier(2, timeout=30), []

    def work(seed):
        for i in range(20):
            mine = parts(100 * seed + i)
            found = product(*mine)
            turn.wait()  # now the other one has its product too, of the same shape
            if not torch.allclose(found, mine[0] @ mine[1] + mine[2], atol=1e-6):
                wrong.append((seed, i))
            turn.wait()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_forgetting_gives_the_memory_back(empty_place):
    found = weakref.ref(product(*parts(0)))
    assert found() is not None, "kept for the next step"
    kernels.forget()
    assert found() is None
    kernels.forget()  # nothing to forget is fine
    assert product(*parts(0)).shape == (4, 6)


def test_a_later_product_spoils_no_gradient_of_an_earlier_one(empty_place):
    entries = entries_at([(0, 0, 1), (1, 1, 1), (1, 1, 4), (2, 2, 0)])
    alone, between = weights(), weights()
    for inputs in (alone, between):
        x, W_enc, b_enc, b_dec, W_dec = inputs.values()
        with torch.no_grad():
            pre = product(x - b_dec, W_enc, b_enc)
        values = read(x, W_enc, b_enc, b_dec, pre[entries.example, entries.feature], entries)
        if inputs is between:
            with torch.no_grad():
                product(*(torch.full_like(value, 99.0) for value in (x, W_enc, b_enc)))
        score(values, rebuild(values, W_dec, entries)).backward()
    assert all(torch.equal(alone[name].grad, between[name].grad) for name in alone)


def test_a_product_in_inference_mode_is_in_nobodys_way_later(empty_place):
    with torch.inference_mode():
        product(*parts(0))
    x, W, b = parts(1)
    with torch.no_grad():
        assert torch.allclose(product(x, W, b), x @ W + b, atol=1e-6)
