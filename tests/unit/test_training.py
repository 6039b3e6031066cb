"""train(): what it learns, what it writes down, where its batches come from, and how it stops."""

import copy
import random

import numpy as np
import pytest
import torch
from hostile import described, not_a_count, not_a_matrix, not_a_rate, not_a_seed, refusal, spoiled, unhurried
from hypothesis import given
from hypothesis import strategies as st
from saelib import KL, L1, Autoencoder, BatchTopK, Gated, JumpReLU, Matryoshka, SparseAutoencoder, TopK, data, kernels, metrics, train
from saelib.models import Loss, Model
from saelib.training import History, Recipe, Step, TensorBatches
from sklearn.decomposition import PCA

BRICKS = {
    "TopK": lambda: TopK(2),
    "BatchTopK": lambda: BatchTopK(2),
    "Matryoshka": lambda: Matryoshka((4, 12), 2),
    "L1": lambda: L1(0.1),
    "KL": lambda: KL(0.1, 0.1),
    "JumpReLU": lambda: JumpReLU(0.1),
    "Gated": lambda: Gated(0.1),
}
MODELS = {brick: lambda brick=brick: SparseAutoencoder(5, 12, BRICKS[brick]()) for brick in BRICKS}
MODELS |= {"linear": lambda: Autoencoder(5, 2), "deep": lambda: Autoencoder(5, 2, (8,))}
every_model = pytest.mark.parametrize("make", MODELS.values(), ids=MODELS)
every_brick = pytest.mark.parametrize("brick", BRICKS)
SETTINGS = dict(steps=20, batch_size=16, lr=1e-2, seed=0, progress=False)
LEVEL = dict(warm_up=0, decay=0, coefficient_warm_up=0)  # what is the same in a run of any length


def noise(n=100, d=5) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(0))


def weights(model) -> dict[str, torch.Tensor]:
    return copy.deepcopy(model.state_dict())


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class Given:
    """A user's own source of batches: those in a list, in order."""

    def __init__(self, batches):
        self.batches, self.position = batches, 0

    def next_batch(self):
        self.position += 1
        return self.batches[self.position - 1]

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]


# What is learnt.


def test_a_linear_autoencoder_of_two_numbers_gets_as_far_as_pca_on_digits():
    x, _ = data.digits()
    pca = PCA(2).fit(x.x.numpy())
    best = metrics.fvu(x.x, torch.tensor(pca.inverse_transform(pca.transform(x.x.numpy()))))
    model = Autoencoder(64, 2)
    train(model, x.x, steps=200, batch_size=300, lr=5e-2, seed=0, progress=False)
    found = metrics.fvu(x.x, model(x.x))
    assert best <= found * (1 + 1e-6), "nothing linear is better than PCA"
    assert found < 1.01 * best


def test_topk_finds_the_dictionary_that_its_data_was_made_from():
    random = torch.Generator().manual_seed(100)  # the model's own seed would start it at the answer
    true = torch.nn.functional.normalize(torch.randn(12, 10, generator=random), dim=1)
    on = torch.rand(4096, 12, generator=random).topk(2, dim=1).indices
    codes = torch.zeros(4096, 12).scatter(1, on, 1 + torch.rand(4096, 2, generator=random))
    x = codes @ true
    sae = SparseAutoencoder(10, 24, TopK(2))

    def likeness() -> float:
        return (true @ sae.W_dec.detach().T).max(dim=1).values.mean().item()

    assert likeness() < 0.8
    train(sae, x, steps=300, batch_size=256, lr=1e-2, seed=0, progress=False)
    assert likeness() > 0.95
    assert metrics.fvu(x, sae(x)) < 0.1


@every_brick
def test_the_rows_of_w_dec_have_length_1_after_every_step(brick):
    def look(now):
        assert torch.allclose(now.model.W_dec.norm(dim=1), torch.ones(12), atol=1e-6)

    train(MODELS[brick](), noise(), callbacks=[look], **{**SETTINGS, "lr": 0.3})


@every_brick
def test_a_step_does_not_push_rows_of_w_dec_in_their_own_directions(brick):
    """That would only be undone, and would count in Adam's memory of how large slopes are."""
    rows = []

    class Looks(SparseAutoencoder):
        def before_step(self):
            rows.append(self.W_dec.detach().clone())
            super().before_step()

    def look(now):
        assert ((now.model.W_dec.grad * rows[-1]).sum(dim=1).abs() < 1e-5).all()
        assert now.model.W_dec.grad.any()

    train(Looks(5, 12, BRICKS[brick]()), noise(), callbacks=[look], **SETTINGS)


def test_a_higher_price_gives_sparser_codes():
    found = []
    for coefficient in (0.0, 0.3, 1.0):
        sae = SparseAutoencoder(5, 12, L1(coefficient))
        train(sae, noise(), **{**SETTINGS, "steps": 100})
        found.append(metrics.l0(sae.encode(noise())))
    assert found[0] > found[1] > found[2]


@every_model
def test_training_lowers_the_loss_and_goes_on_where_it_was(make):
    model = make()
    first = train(model, noise(), **{**SETTINGS, "steps": 80, "batch_size": 100}).frame
    assert first.loss.iloc[-1] < 0.9 * first.loss.iloc[0]
    assert first.reconstruction.iloc[-1] < first.reconstruction.iloc[0] or first.loss.iloc[0] > first.reconstruction.iloc[0]
    reached, unit = model.loss(noise()).total.item(), model.unit
    again = train(model, noise(), **{**SETTINGS, "steps": 1, "batch_size": 100}).frame
    assert again.loss[0] == pytest.approx(reached, rel=1e-5)
    assert model.unit == unit


def test_data_of_another_precision_is_brought_to_the_models():
    wide, narrow = MODELS["TopK"](), MODELS["TopK"]()
    train(wide, noise().half().double(), **SETTINGS)
    train(narrow, noise().half(), **SETTINGS)
    assert same(weights(wide), weights(narrow)) and wide.W_dec.dtype == torch.float32


# Data of any scale.


@pytest.mark.parametrize("scale", [4, 2**-10, 2**24])
@every_brick
def test_data_of_another_scale_give_the_same_pictures_and_history(brick, scale):
    """Powers of two, so that no number is rounded in another way."""
    plain, scaled = MODELS[brick](), MODELS[brick]()
    rows = train(plain, noise() + 1, **{**SETTINGS, "steps": 40}).rows
    scaled_rows = train(scaled, scale * (noise() + 1), **{**SETTINGS, "steps": 40}).rows
    assert scaled.unit == pytest.approx(scale * plain.unit, rel=1e-9)
    assert (plain.W_dec - scaled.W_dec).abs().max() < 1e-4
    assert torch.allclose(scaled.b_dec, scale * plain.b_dec, rtol=1e-3, atol=1e-4 * scale)
    for row, scaled_row in zip(rows, scaled_rows):
        assert scaled_row == pytest.approx(row, rel=1e-3, abs=1e-3)


def test_the_unit_is_the_root_of_the_mean_squared_distance_of_the_first_batch_from_its_mean():
    x = torch.tensor([[1.0, 0.0], [5.0, 0.0], [3.0, 3.0], [3.0, -3.0]])  # mean (3, 0), distances 2, 2, 3, 3
    for model in (SparseAutoencoder(2, 3, JumpReLU(0.1, start=0.2)), Autoencoder(2, 1)):
        train(model, Given([x, 2 * x]), **{**SETTINGS, "steps": 2, "lr": 1e-9})
        assert model.unit == pytest.approx(6.5**0.5)
        if isinstance(model, SparseAutoencoder):
            assert model.sparsity.unit == model.unit
            assert torch.allclose(model.sparsity.threshold, torch.tensor(0.2 * 6.5**0.5))


def test_a_loss_of_1_is_what_answering_with_the_mean_would_cost():
    sae = SparseAutoencoder(5, 12, L1(0.0))
    with torch.no_grad():
        sae.b_enc.fill_(-1e3)
    (row,) = train(sae, 30 * noise() + 7, **{**SETTINGS, "batch_size": 100, "steps": 1}).rows
    assert row["loss"] == pytest.approx(1, rel=1e-4)


def test_weights_that_are_lengths_learn_in_units_and_the_others_plainly():
    sae = MODELS["Gated"]()
    sae.b_dec.data.fill_(0.1)  # set, so that training starts there
    before = weights(sae)
    train(sae, 64 * noise(), **{**SETTINGS, **LEVEL, "steps": 1, "lr": 1e-3, "clip": None})
    moved = {name: (value - before[name]).abs() for name, value in sae.state_dict().items()}
    assert 30 < sae.unit < 300
    for name, step in {
        "W_enc": 1e-3,
        "sparsity.r_mag": 1e-3,
        "b_enc": 1e-3 * sae.unit,
        "sparsity.b_mag": 1e-3 * sae.unit,
        "b_dec": 1e-3 * sae.unit,
    }.items():
        assert moved[name].max().item() == pytest.approx(step, rel=0.02), name


@pytest.mark.parametrize("n", [2, 16])
@every_model
def test_data_that_are_all_equal_are_refused(make, n):
    x = torch.full((n, 5), 3.7)
    message = refused(x, make(), batch_size=n)
    assert message == f"data has no variance: all {n} examples of the first batch are equal"


def middle_of(x, center, model=None, **changed) -> torch.Tensor:
    """Where b_dec starts."""
    model = SparseAutoencoder(x.shape[1], 4, L1(0.1)) if model is None else model
    train(model, x, **{**SETTINGS, "steps": 1, "batch_size": len(x), "lr": 1e-12, "center": center, **changed})
    return model.b_dec.detach()


def test_b_dec_starts_at_the_mean_or_at_the_geometric_median():
    x = torch.cat([noise(50, 3), torch.tensor([[200.0, 0.0, 0.0]]).expand(5, 3)])  # too many to be left out as unusual
    assert torch.allclose(middle_of(x, "mean"), x.mean(dim=0), atol=1e-4)
    median = middle_of(x, "median")
    assert median.norm() < 1 and x.mean(dim=0).norm() > 15
    # Nowhere are the distances smaller: the directions to the examples cancel out.
    directions = torch.nn.functional.normalize((x - median).double(), dim=1)
    assert directions.mean(dim=0).norm() < 1e-3
    assert not torch.allclose(median, x.median(dim=0).values, atol=1e-3), "the geometric one, not that of each number"


@pytest.mark.parametrize("center", ["mean", "median"])
def test_a_b_dec_that_has_been_set_stays(center):
    sae = SparseAutoencoder(3, 4, L1(0.1))
    sae.b_dec.data[1] = 5.0
    assert torch.allclose(middle_of(noise(50, 3), center, sae), torch.tensor([0.0, 5.0, 0.0]))


def test_the_median_of_examples_that_fall_together_is_one_of_them():
    x = torch.cat([torch.ones(9, 3), torch.tensor([[5.0, -7.0, 2.0]])])
    assert torch.allclose(middle_of(x, "median"), torch.ones(3), atol=1e-3)


# The recipe.


def recipe(**changed) -> Recipe:
    plain = dict(
        steps=10, lr=8.0, seed=0, warm_up=0.0, decay=0.0, coefficient_warm_up=0.0, clip=None, dead_after=None, center="mean",
        precision="float32",
    )  # fmt: skip
    return Recipe(**{**plain, **changed})


@pytest.mark.parametrize(
    ("steps", "warm_up", "decay", "rates"),
    [
        (10, 0.3, 0.3, [2, 4, 6, 8, 8, 8, 8, 6, 4, 2]),
        (10, 0, 0, [8] * 10),
        (10, 0.1, 0, [4] + [8] * 9),
        (10, 0, 0.1, [8] * 9 + [4]),
        (3, 1, 1, [2, 4, 2]),
        (1, 1, 0, [4]),
        (1, 0.05, 0.2, [8]),
        (7, 1, 0, [1, 2, 3, 4, 5, 6, 7]),
        (7, 0, 1, [7, 6, 5, 4, 3, 2, 1]),
    ],
)
def test_the_learning_rate_rises_and_falls_in_straight_lines(steps, warm_up, decay, rates):
    found = recipe(steps=steps, warm_up=warm_up, decay=decay)
    assert [found.lr_at(step) for step in range(1, steps + 1)] == pytest.approx(rates)


@unhurried
@given(st.integers(1, 300), st.floats(0, 1), st.floats(0, 1))
def test_the_learning_rate_is_never_0_nor_above_lr_and_falls_only_after_it_has_risen(steps, warm_up, decay):
    rates = [recipe(steps=steps, warm_up=warm_up, decay=decay).lr_at(step) for step in range(1, steps + 1)]
    assert all(0 < rate <= 8 for rate in rates)
    top = rates.index(max(rates))
    assert rates[: top + 1] == sorted(rates[: top + 1]) and rates[top:] == sorted(rates[top:], reverse=True)
    if round(warm_up * steps) + round(decay * steps) < steps:
        assert rates[top] == 8


@pytest.mark.parametrize(("share", "prices"), [(0.3, [0.25, 0.5, 0.75] + [1] * 7), (0, [1] * 10), (0.1, [0.5] + [1] * 9), (0.04, [1] * 10)])
def test_the_price_rises_in_a_straight_line_and_stays(share, prices):
    found = recipe(coefficient_warm_up=share)
    assert [found.penalty_at(step) for step in range(1, 11)] == pytest.approx(prices)


class Slopes(Model):
    """Its loss falls along straight lines, whatever the examples: so Adam's steps are as long as the learning rate.

    The slope is 30 in `three` and 40 in `four`, and 5 times what the penalty counts in `price`.
    """

    d_in = 5

    def __init__(self, size=1.0):
        super().__init__()
        self.three, self.four, self.price = (torch.nn.Parameter(torch.zeros(())) for _ in range(3))
        self.size, self.prices = size, []

    def loss(self, x, dead=None):
        error = self.size * (30 * self.three + 40 * self.four)
        return Loss(error, 5 * self.price, x.new_zeros(()), x.new_ones(len(x), 2))

    def before_step(self):
        self.prices.append(self.price.grad.item())


def test_the_optimiser_takes_steps_of_the_lengths_that_the_recipe_says():
    places, rates = [0.0], []

    def look(now):
        places.append(now.model.three.item())
        rates.append(now.lr)

    train(Slopes(), noise(), callbacks=[look], **{**SETTINGS, "steps": 10, "lr": 8e-3, "warm_up": 0.3, "decay": 0.3, "clip": None})
    expected = [step * 1e-3 for step in (2, 4, 6, 8, 8, 8, 8, 6, 4, 2)]
    assert rates == pytest.approx(expected)
    assert [before - after for before, after in zip(places, places[1:])] == pytest.approx(expected, rel=1e-3)


def test_the_penalty_counts_as_much_as_the_recipe_says_and_the_error_and_the_auxiliary_loss_always_in_full():
    slopes = []
    model = Slopes()
    train(
        model, noise(), callbacks=[lambda now: slopes.append(now.model.three.grad.item())],
        **{**SETTINGS, "steps": 10, "coefficient_warm_up": 0.3, "clip": None},
    )  # fmt: skip
    assert model.prices == pytest.approx([1.25, 2.5, 3.75] + [5] * 7)
    assert slopes == pytest.approx([30] * 10)

    class Helped(Slopes):
        def loss(self, x, dead=None):
            loss = super().loss(x)
            return loss._replace(auxiliary=7 * self.price, penalty=0 * self.price)

    helped = Helped()
    train(helped, noise(), **{**SETTINGS, "steps": 10, "coefficient_warm_up": 0.3, "clip": None})
    assert helped.prices == pytest.approx([7] * 10)


@pytest.mark.parametrize(
    ("size", "clip", "found"),
    [(1, 1.0, (0.6, 0.8)), (1, 25.0, (15, 20)), (1, 60.0, (30, 40)), (1, None, (30, 40)), (0.01, 1.0, (0.3, 0.4)), (100, 1e-3, (6e-4, 8e-4))],
)
def test_gradients_together_are_cut_to_the_length_clip_and_shorter_ones_left_alone(size, clip, found):
    def look(now):
        assert (now.model.three.grad.item(), now.model.four.grad.item()) == pytest.approx(found)

    class Cheap(Slopes):
        def loss(self, x, dead=None):
            return super().loss(x)._replace(penalty=0 * self.price)

    train(Cheap(size), noise(), callbacks=[look], **{**SETTINGS, "steps": 3, "clip": clip})


def test_bfloat16_learns_nearly_as_well_and_keeps_weights_and_history_in_float32():
    world = data.planted(d_in=16, features=24, active=2, seed=1)
    held_out, _ = world.sample(500, seed=0)
    for sparsity in (lambda: TopK(2), lambda: Gated(0.05)):
        found = {}
        for precision in ("float32", "bfloat16"):
            sae = SparseAutoencoder(16, 32, sparsity())
            train(sae, world.batches(64, seed=0), **{**SETTINGS, "steps": 70, "batch_size": 64, "precision": precision})
            found[precision] = metrics.fvu(held_out, sae(held_out)), sae.W_dec
            assert all(value.dtype == torch.float32 for value in sae.state_dict().values())
        (exact, weight), (rough, other_weight) = found.values()
        assert exact < 0.3 and abs(rough / exact - 1) < 0.1
        assert not torch.equal(weight, other_weight), "it was rounded on the way"


@every_model
def test_every_model_learns_in_bfloat16(make):
    history = train(make(), noise(), **{**SETTINGS, "precision": "bfloat16", "batch_size": 100})
    assert history.rows[-1]["reconstruction"] < history.rows[0]["reconstruction"]


# Features that nobody uses.

FIRST = torch.tensor([[1.0, -1.0], [-1.0, -1.0]]).repeat(10, 1)  # 20 examples: feature 0 is on in half of them, 1 never
SECOND = torch.tensor([[-1.0, 2.0], [-1.0, 1.0]]).repeat(10, 1)  # feature 1 is on in all of them, 0 never
# 8 batches of 20 examples. A feature needs to be off for 40 of them in any case, ten for each of the four features.
ORDER = [FIRST, SECOND, SECOND, SECOND, FIRST, SECOND, SECOND, SECOND]


class Counted(SparseAutoencoder):
    """Two of its four features read one number each, feature 2 is always on and 3 never. It tells who was said to be dead."""

    def __init__(self, sparsity, *, stays: bool):
        super().__init__(2, 4, sparsity)
        with torch.no_grad():
            self.W_enc.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]))
            self.b_enc.copy_(torch.tensor([0.0, 0.0, 1.0, -1.0]))
            self.b_dec.fill_(1e-6)  # set, so that training leaves it there
        self.stays, self.told, self.revived, self.step = stays, {}, {}, 0

    def loss(self, x, dead=None):
        self.step += 1
        if dead is not None:
            assert dead.dtype == torch.bool and dead.shape == (4,)
            self.told[self.step] = dead.nonzero().ravel().tolist()
        return super().loss(x, dead)

    def revive(self, x, dead, generator):
        self.revived[self.step] = dead.tolist()
        return [] if self.stays else super().revive(x, dead, generator)


def counted(sparsity, dead_after, decay=0.0, order=ORDER, stays=True) -> Counted:
    model = Counted(sparsity, stays=stays)
    train(model, Given(order), **{**SETTINGS, **LEVEL, "steps": len(order), "batch_size": 20, "lr": 1e-9, "dead_after": dead_after, "decay": decay})
    return model


@pytest.mark.parametrize("sparsity", [lambda: L1(0.0), lambda: TopK(4), lambda: BatchTopK(4)])
@pytest.mark.parametrize(
    ("dead_after", "revived"),
    [
        # After 40 of the 160 examples feature 3 has been off for 40, and feature 0 for 20.
        (0.25, {2: [3], 4: [0, 3], 6: [3]}),
        (1e-9, {2: [3], 4: [0, 3], 6: [3]}),
        (0.26, {3: [3], 6: [3]}),
        # After 60: feature 3. At step 6 it has been off for 60 again; feature 0 was on in step 5.
        (0.375, {3: [3], 6: [3]}),
        (0.376, {4: [3]}),
        (0.5, {4: [3]}),
        (0.51, {5: [3]}),
        (0.87, {7: [3]}),
        (1.0, {}),
        (None, {}),
    ],
)
def test_a_feature_comes_back_when_it_was_off_for_exactly_so_many_examples_and_not_earlier(dead_after, revived, sparsity):
    assert counted(sparsity(), dead_after).revived == revived


@pytest.mark.parametrize(
    ("dead_after", "revived", "told"),
    [
        # 40 examples. Between two times of starting anew, feature 1 has been off for so many in step 4, and feature 0 in step 6.
        (1e-9, {2: [3], 4: [3], 6: [0, 3]}, {4: [1], 6: [0]}),
        # 42 examples, which are three batches: both are used again before.
        (0.3, {3: [3], 6: [0, 3]}, {}),
        (None, {}, {}),
    ],
)
def test_aux_k_hears_of_a_feature_that_was_off_for_exactly_so_many_examples_and_not_earlier(dead_after, revived, told):
    model = counted(TopK(4), dead_after, order=[SECOND, FIRST, FIRST, SECOND, SECOND, SECOND, FIRST])
    assert (model.revived, model.told) == (revived, told)


def test_bricks_without_aux_k_never_hear_of_dead_features():
    for sparsity in (L1(0.1), JumpReLU(0.1), Gated(0.1), KL(0.1, 0.1)):
        assert counted(sparsity, 0.25).told == {}


@pytest.mark.parametrize(("decay", "last"), [(0.0, 6), (0.25, 4), (0.26, 4), (0.5, 2), (0.75, None), (1.0, None)])
def test_nothing_is_started_anew_while_the_rate_falls(decay, last):
    revived = counted(L1(0.0), 0.25, decay=decay).revived
    assert max(revived, default=None) == last
    rate = recipe(steps=8, decay=decay).lr_at
    assert all(rate(step) == 8 for step in revived)


def test_a_feature_that_was_started_anew_is_given_its_time():
    """It may be off again for as long as any other before it is dead again."""
    model = counted(L1(0.0), 0.25, order=[FIRST, SECOND, FIRST, SECOND, FIRST, SECOND, FIRST, SECOND], stays=True)
    assert model.revived == {2: [3], 4: [3], 6: [3]}


WORLD = data.planted(d_in=16, features=24, active=2, seed=1)
HELD_OUT, _ = WORLD.sample(500, seed=0)
REVIVING = {
    "TopK": lambda: TopK(2),
    "BatchTopK": lambda: BatchTopK(2),
    "Matryoshka": lambda: Matryoshka((16, 32), 2),
    "L1": lambda: L1(0.05),
    "JumpReLU": lambda: JumpReLU(0.02),
    "Gated": lambda: Gated(0.05),
}


def half_dead(sparsity) -> SparseAutoencoder:
    sae = SparseAutoencoder(16, 32, sparsity)
    sae.b_enc.data[:12] = -6.0
    return sae


@pytest.mark.parametrize("brick", REVIVING)
def test_dead_features_come_back_and_stay_dead_only_where_that_is_asked_for(brick):
    settings = {**SETTINGS, "steps": 80, "batch_size": 64}
    errors, left = {}, {}
    for dead_after in (None, 0.1):
        sae = half_dead(REVIVING[brick]())
        train(sae, WORLD.batches(64, seed=0), dead_after=dead_after, **settings)
        codes = sae.encode(HELD_OUT)
        left[dead_after] = (codes[:, :12] == 0).all(dim=0).sum().item()
        errors[dead_after] = metrics.fvu(HELD_OUT, sae(HELD_OUT))
    assert left[None] == 12
    assert left[0.1] <= 8
    assert errors[0.1] < 1.1 * errors[None]


@pytest.mark.parametrize("brick", ["TopK", "BatchTopK", "Matryoshka"])
def test_aux_k_alone_brings_features_back_that_are_rarely_strong_enough(brick):
    class AuxKAlone(SparseAutoencoder):
        def revive(self, x, dead, generator):
            return []

    found = {}
    for coefficient in (0, 1):

        class Weighed(AuxKAlone):
            def loss(self, x, dead=None):
                loss = super().loss(x, dead)
                return loss._replace(auxiliary=coefficient * loss.auxiliary)

        sae = Weighed(16, 32, REVIVING[brick]())
        sae.b_enc.data[:12] = -1.0
        # The features that were "started anew" are none: so that the loss hears of them, the count must not begin again.
        heard = []
        sae.register_buffer("dead", torch.arange(32) < 12, persistent=False)
        loss = sae.loss
        sae.loss = lambda x, dead=None: heard.append(dead is not None) or loss(x, sae.dead)
        train(sae, WORLD.batches(64, seed=0), **{**SETTINGS, "steps": 80, "batch_size": 64})
        found[coefficient] = (sae.encode(HELD_OUT)[:, :12] != 0).float().mean().item()
    assert found[1] > 2 * found[0]


def test_aux_k_asks_dead_features_to_rebuild_what_the_others_leave_over_and_changes_nothing_else():
    sae = half_dead(TopK(2))
    with torch.no_grad():
        sae.b_enc[:12] = -0.1
    x, _ = WORLD.sample(50, seed=3)
    dead = torch.arange(32) < 12
    plain = sae.loss(x)
    plain.total.backward()
    slopes = {name: p.grad.clone() for name, p in sae.named_parameters()}
    sae.zero_grad()
    helped = sae.loss(x, dead)
    assert helped.reconstruction == plain.reconstruction and torch.equal(helped.codes.to_dense(), plain.codes.to_dense())
    # By hand, in the formulas of the paper: 4 = 2 k dead features an example.
    pre = (x - sae.b_dec) @ sae.W_enc + sae.b_enc
    codes = plain.codes.to_dense()
    left = (x - sae.b_dec - codes @ sae.W_dec).detach()
    best = pre[:, :12].topk(4, dim=1)
    answer = torch.relu(torch.zeros(50, 32).scatter(1, best.indices, best.values)) @ sae.W_dec
    expected = (left - answer).square().sum(dim=1).mean() / 32
    assert helped.auxiliary.item() == pytest.approx(expected.item(), rel=1e-5)
    sae.zero_grad()
    helped.auxiliary.backward()
    found = {name: p.grad.clone() for name, p in sae.named_parameters()}
    sae.zero_grad()
    expected.backward()
    for name, p in sae.named_parameters():
        if name != "b_dec":
            assert torch.allclose(found[name], p.grad, atol=1e-6), name
    assert not found["W_dec"][12:].any() and found["W_dec"][:12].any(), "the living ones do not feel it"
    assert slopes["W_dec"][12:].any()


@pytest.fixture
def adams(monkeypatch):
    """The optimisers that training makes."""
    made = []

    class Adam(torch.optim.Adam):
        def __init__(self, *args, **settings):
            super().__init__(*args, **settings)
            made.append(self)

    monkeypatch.setattr(torch.optim, "Adam", Adam)
    return made


@pytest.mark.parametrize("brick", REVIVING)
def test_a_feature_that_is_started_anew_leaves_adam_no_memory_and_the_others_theirs(brick, adams):
    revived = []

    class Watched(SparseAutoencoder):
        def revive(self, x, dead, generator):
            revived.append(dead.tolist())
            return super().revive(x, dead, generator)

    def die_and_look(now):
        if now.step == 3:  # they have been used, so that Adam remembers them
            now.model.b_enc.data[:12] = -6.0
        if len(revived) != 1 or seen:
            return
        seen.append(now.step)
        dead = torch.zeros(32, dtype=torch.bool)
        dead[revived[0]] = True
        model, state = now.model, adams[0].state
        of_features = {"W_dec": model.W_dec, "W_enc": model.W_enc, "b_enc": model.b_enc, **dict(model.sparsity.named_parameters())}
        for name, weight in of_features.items():
            for moment in ("exp_avg", "exp_avg_sq"):
                value = next(kept[moment] for seen, kept in state.items() if seen.data_ptr() == weight.data_ptr())  # W_enc by rows
                assert not value[dead].any(), (name, moment)
                assert value[~dead].any() or name == "threshold", (name, moment)
        assert torch.allclose(model.W_dec[dead].norm(dim=1), torch.ones(int(dead.sum())))
        if model.revival == "aux-k":
            assert not model.b_enc[dead].any()
            cosine = torch.nn.functional.cosine_similarity(model.W_enc.T[dead], model.W_dec[dead])
            assert torch.allclose(cosine, torch.ones(int(dead.sum())))

    seen = []
    sae = Watched(16, 32, REVIVING[brick]())
    train(sae, WORLD.batches(64, seed=0), callbacks=[die_and_look], **{**SETTINGS, "steps": 20, "batch_size": 64, "dead_after": 0.25})
    assert seen and set(range(12)) <= set(revived[0]) and len(revived[0]) < 30


# Callbacks.


def test_a_callback_is_called_after_each_step_with_what_there_is_to_know():
    steps, sae = [], MODELS["TopK"]()
    before = [weights(sae)]

    def look(now):
        assert type(now) is Step and now.model is sae and now.steps == 7
        steps.append(now.step)
        assert now.lr == pytest.approx(recipe(steps=7, lr=1e-2, warm_up=0.05, decay=0.2).lr_at(now.step))
        assert isinstance(now.loss, Loss) and now.loss.codes.shape == (16, 12)
        assert [row["step"] for row in now.history.rows] == [step for step in (3, 6, 7) if step <= now.step]
        if now.history.rows and now.history.rows[-1]["step"] == now.step:
            assert now.history.rows[-1]["loss"] == now.loss.total.item()
        assert not same(before[-1], weights(sae)), "the step has been taken"
        before.append(weights(sae))

    history = train(sae, noise(), callbacks=[look], **{**SETTINGS, "steps": 7, "log_every": 3})
    assert steps == [1, 2, 3, 4, 5, 6, 7]
    assert isinstance(history, History) and len(history.rows) == 3


def test_callbacks_are_called_in_their_order():
    called = []
    one, two = (lambda now, name=name: called.append((now.step, name)) for name in "ab")
    train(MODELS["TopK"](), noise(), callbacks=[one, two], **{**SETTINGS, "steps": 2})
    assert called == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]


def test_an_iterator_of_callbacks_is_called_after_every_step_and_not_only_the_first():
    called = []
    train(MODELS["TopK"](), noise(), callbacks=iter([lambda now: called.append(now.step)]), **{**SETTINGS, "steps": 3})
    assert called == [1, 2, 3]


@every_model
def test_a_callback_may_use_the_model_without_changing_what_is_learnt(make):
    def look(now):
        now.model(noise(30))
        now.model.encode(noise(3))
        now.model.loss(noise(50)).total.backward()

    left_alone, looked_at = make(), make()
    history = train(left_alone, noise(), **SETTINGS)
    assert train(looked_at, noise(), callbacks=[look], **SETTINGS) == history
    assert same(weights(left_alone), weights(looked_at))


@pytest.mark.parametrize("error", [RuntimeError("stop"), KeyboardInterrupt()])
@every_model
def test_a_callback_that_stops_training_leaves_a_model_that_can_be_used_and_trained(make, error):
    seen = []

    def stop(now):
        if now.step == 5:
            seen.append(weights(now.model))
            raise error

    model = make()
    with pytest.raises(type(error)):
        train(model, noise(), callbacks=[stop], **SETTINGS)
    assert same(weights(model), seen[0])
    assert torch.isfinite(model(noise())).all()
    assert all(not p.requires_grad or p.is_leaf for p in model.parameters())
    history = train(model, noise(), **SETTINGS)
    assert len(history.rows) == 20


# The same again.


@every_model
def test_the_same_seed_gives_the_same_weights_and_history_bit_for_bit(make):
    one, again, other = make(), make(), make()
    if isinstance(one, SparseAutoencoder):
        for model in (one, again, other):
            model.b_enc.data[:3] = -50.0  # dead: chance decides as what they come back
    settings = {**SETTINGS, "dead_after": 0.2}
    history = train(one, noise(), **settings)
    torch.rand(5)
    assert train(again, noise(), **settings) == history
    assert same(weights(one), weights(again)) and one.unit == again.unit
    if isinstance(one, SparseAutoencoder) and one.revival:
        assert (one.b_enc[:3] > -10).all()
    train(other, noise(), **{**settings, "seed": 1})
    assert not same(weights(one), weights(other))


@pytest.mark.parametrize("dead_after", [0.2, None])
def test_another_seed_brings_features_back_as_others_and_changes_nothing_else(dead_after):
    found = []
    for seed in (0, 1):
        sae = half_dead(L1(0.05))
        train(sae, WORLD.batches(64, seed=0), **{**SETTINGS, "batch_size": 64, "seed": seed, "dead_after": dead_after})
        found.append(sae.W_dec.detach())
    assert torch.equal(*found) == (dead_after is None)


@every_model
def test_training_is_the_same_where_gradients_are_switched_off(make):
    plain, without = make(), make()
    history = train(plain, noise(), **SETTINGS)
    with torch.no_grad():
        assert train(without, noise(), **SETTINGS) == history
    assert same(weights(plain), weights(without))


@every_model
def test_training_neither_uses_nor_changes_the_global_random_state_nor_the_data(make):
    x, model = noise(), make()
    if isinstance(model, SparseAutoencoder):
        model.b_enc.data[:3] = -50.0
    before, global_state, numpy_state, python_state = x.clone(), torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()
    train(model, x, **{**SETTINGS, "dead_after": 0.2})
    assert torch.equal(torch.get_rng_state(), global_state)
    assert (np.random.get_state()[1] == numpy_state).all() and random.getstate() == python_state
    assert torch.equal(x, before)


def test_training_gives_its_memory_back_however_it_ends():
    def kept(now=None):
        return kernels._place.cache_info().currsize

    seen = []
    train(MODELS["TopK"](), noise(), callbacks=[lambda now: seen.append(kept())], **SETTINGS)
    assert set(seen) == {1} and kept() == 0
    with pytest.raises(ZeroDivisionError):
        train(MODELS["TopK"](), noise(), callbacks=[lambda now: 1 / 0], **SETTINGS)
    assert kept() == 0
    with pytest.raises(FloatingPointError):
        train(MODELS["TopK"](), noise(), **{**SETTINGS, "lr": 1e30})
    assert kept() == 0


def test_training_gives_the_threads_that_it_did_not_need_back():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        train(MODELS["TopK"](), noise(), **SETTINGS)
        assert torch.get_num_threads() == 3
        with pytest.raises(FloatingPointError):
            train(MODELS["TopK"](), noise(), **{**SETTINGS, "lr": 1e30})
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


# What is written down.


def test_the_history_has_a_row_for_each_logged_step_and_for_the_last_one():
    frame = train(MODELS["TopK"](), noise(), **{**SETTINGS, "steps": 7, "log_every": 3}).frame
    assert list(frame.columns) == ["step", "loss", "reconstruction", "l0", "dead"]
    assert frame.step.tolist() == [3, 6, 7]


@pytest.mark.parametrize(("steps", "rows"), [(1, 1), (99, 99), (200, 100)])
def test_about_a_hundred_rows_are_logged_unless_told_otherwise(steps, rows):
    assert len(train(MODELS["TopK"](), noise(), **{**SETTINGS, "steps": steps}).rows) == rows


def test_a_row_holds_what_its_batch_cost_before_the_step():
    sae = SparseAutoencoder(5, 12, L1(0.1))
    x = noise(16)
    twin = copy.deepcopy(sae)
    twin.before_training(x)
    assert twin.unit > 1.5
    expected = twin.loss(x)
    # Half of the penalty counts in this step; the row says what the batch costs in the end.
    (row,) = train(sae, x, **{**SETTINGS, "steps": 1, "coefficient_warm_up": 1}).rows
    assert row["loss"] == pytest.approx(expected.total.item())
    assert row["reconstruction"] == pytest.approx(expected.reconstruction.item())
    assert row["loss"] > row["reconstruction"]
    assert row["reconstruction"] == pytest.approx((x - twin(x)).square().sum(dim=1).mean().item() / twin.unit**2)
    assert row["l0"] == pytest.approx((expected.codes != 0).sum().item() / 16)


@pytest.mark.parametrize(
    ("log_every", "l0", "dead"),
    [(1, [1.5, 2, 1.5, 2], [0.5, 0.5, 0.5, 0.5]), (2, [2, 2], [0.25, 0.25]), (3, [1.5, 2], [0.25, 0.5])],
)
def test_a_feature_is_dead_that_no_batch_since_the_row_before_has_used(log_every, l0, dead):
    sae = SparseAutoencoder(2, 4, L1(0))
    with torch.no_grad():
        sae.W_enc.copy_(torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0]]))
        sae.b_enc.copy_(torch.tensor([0.0, 0.0, 1.0, -1.0]))  # the third is always on, the fourth never
        sae.b_dec.fill_(1e-6)  # set, so that training leaves it there
    first = torch.tensor([[1.0, -1.0], [-1.0, -1.0]])  # the first feature is on in half of it, the second never
    second = torch.tensor([[-1.0, 2.0], [-1.0, 1.0]])  # the second in all of it, the first never
    frame = train(sae, Given([first, second] * 2), steps=4, batch_size=2, lr=1e-9, seed=0, log_every=log_every, progress=False).frame
    assert frame.l0.tolist() == l0
    assert frame.dead.tolist() == dead


@pytest.mark.parametrize("progress", [True, False])
def test_the_progress_bar_can_be_switched_off(progress, capfd):
    train(MODELS["TopK"](), noise(), **{**SETTINGS, "progress": progress})
    out, err = capfd.readouterr()
    assert out == ""
    assert ("training: 100%" in err and "20/20" in err) if progress else err == ""


# Where batches come from.


def test_a_users_own_batches_are_taken_in_their_order_one_a_step():
    source = Given([noise(8), noise(3), noise(1)])
    seen = []
    model = MODELS["TopK"]()
    loss = model.loss
    model.loss = lambda x, dead=None: seen.append(len(x)) or loss(x, dead)
    train(model, source, **{**SETTINGS, "steps": 2})
    assert seen == [8, 3] and source.position == 2


@unhurried
@given(st.integers(1, 12), st.data())
def test_batches_go_through_all_examples_without_repeating_one_in_a_pass(n, draw):
    batch_size = draw.draw(st.integers(1, n))
    x = torch.arange(n).float()[:, None]
    batches = TensorBatches(x, batch_size, seed=0)
    for _ in range(3):
        whole = [batches.next_batch() for _ in range(n // batch_size)]
        assert all(batch.shape == (batch_size, 1) for batch in whole)
        taken = torch.cat(whole).flatten().tolist()
        assert len(set(taken)) == len(taken) and set(taken) <= set(range(n))


def test_each_pass_has_another_order_and_each_seed_other_ones():
    x = torch.arange(50).float()[:, None]
    passes = [TensorBatches(x, 50, seed=seed) for seed in (0, 0, 1)]
    first, again, other = ([batches.next_batch().flatten().tolist() for _ in range(2)] for batches in passes)
    assert first == again
    assert len({tuple(order) for order in first + other}) == 4


@unhurried
@given(st.integers(0, 9))
def test_batches_go_on_from_their_state_as_if_nothing_had_happened(taken):
    batches = TensorBatches(noise(10), 3, seed=0)
    for _ in range(taken):
        batches.next_batch()
    state = copy.deepcopy(batches.state_dict())
    expected = [batches.next_batch() for _ in range(8)]
    resumed = TensorBatches(noise(10), 3, seed=99)
    resumed.load_state_dict(state)
    assert all(torch.equal(resumed.next_batch(), batch) for batch in expected)


@pytest.mark.parametrize("other", [noise(10) + 1, noise(11), 1.01 * noise(10), noise(10).flip(0)])
def test_batches_never_go_on_from_the_state_of_other_data(other):
    batches, others = TensorBatches(noise(10), 3, seed=0), TensorBatches(other, 3, seed=0)
    batches.next_batch()
    first = TensorBatches(other, 3, seed=0).next_batch()
    message = refusal(lambda: others.load_state_dict(batches.state_dict()))
    assert message == f"data has the fingerprint {others.fingerprint}; expected {batches.fingerprint}, that of the data of the run so far"
    assert torch.equal(others.next_batch(), first), "and are as they were"


# Bad input never trains.


def refused(data=None, model=None, **changed) -> str:
    """What train() says to refuse, having left the model as it was."""
    model = MODELS["TopK"]() if model is None else model
    before = weights(model)
    message = refusal(lambda: train(model, noise() if data is None else data, **{**SETTINGS, **changed}))
    assert same(weights(model), before)
    return message


@unhurried
@given(st.sampled_from(["steps", "batch_size", "log_every"]), not_a_count)
def test_what_is_no_count_is_refused(name, value):
    if not (name == "log_every" and value is None):
        assert refused(**{name: value}) == f"{name} is {value!r}; expected a whole number of at least 1"


@unhurried
@given(not_a_rate | st.just(0) | st.sampled_from([1e31, 1e300]))
def test_a_learning_rate_that_is_none_is_refused(lr):
    assert refused(lr=lr) == f"lr is {lr!r}; expected a finite number above 0 and of at most 1e+30"


@unhurried
@given(st.sampled_from(["warm_up", "decay", "coefficient_warm_up"]), not_a_rate | st.sampled_from([1.0000001, 2, 1e300]))
def test_a_share_of_the_steps_that_is_none_is_refused(name, value):
    assert refused(**{name: value}) == f"{name} is {value!r}; expected a finite number of at least 0 and of at most 1"


@unhurried
@given(not_a_rate.filter(lambda value: value is not None) | st.just(0))
def test_a_clip_that_is_no_length_is_refused(value):
    assert refused(clip=value) == f"clip is {value!r}; expected a finite number above 0"


@unhurried
@given(not_a_rate.filter(lambda value: value is not None) | st.sampled_from([0, 1.01, 50_000]))
def test_a_dead_after_that_is_no_share_of_the_run_is_refused(value):
    assert refused(dead_after=value) == f"dead_after is {value!r}; expected a finite number above 0 and of at most 1"


@pytest.mark.parametrize("value", [None, "mode", "Mean", 3, ["mean"], {}])
def test_a_center_that_is_none_is_refused(value):
    assert refused(center=value) == f"center is {value!r}; expected 'mean' or 'median'"


@pytest.mark.parametrize("value", [None, "float16", torch.bfloat16, 16, ["float32"]])
def test_a_precision_that_is_none_is_refused(value):
    assert refused(precision=value) == f"precision is {value!r}; expected 'float32' or 'bfloat16'"


@unhurried
@given(not_a_seed)
def test_a_seed_that_torch_can_not_take_is_refused(seed):
    for source in (noise(), Given([noise(4)] * 20)):
        assert refused(source, seed=seed).startswith(f"seed is {seed!r}; expected ")


@unhurried
@given(not_a_matrix(5).filter(lambda value: value is not None))
def test_data_that_is_no_matrix_of_the_models_width_is_refused(value):
    message = refused(value)
    assert message.startswith("data ") and described(value) in message


@unhurried
@given(spoiled(20, 5))
def test_data_that_is_not_finite_is_refused(case):
    value, words = case
    assert refused(value) == f"data holds {words}; expected finite numbers only"


def test_a_batch_larger_than_the_data_is_refused():
    assert refused(batch_size=101) == "batch_size is 101; expected at most 100, the number of examples in data"


@pytest.mark.parametrize("model", [None, SparseAutoencoder, torch.nn.Linear(5, 5), "sae"])
def test_what_is_no_model_is_refused(model):
    message = refusal(lambda: train(model, noise(), **SETTINGS))
    assert message == f"model is {model!r}; expected a saelib model"


@unhurried
@given(not_a_matrix(5))
def test_a_users_own_batch_that_is_no_batch_is_refused_by_its_step(batch):
    message = refusal(lambda: train(MODELS["TopK"](), Given([noise(4), noise(4), batch]), **SETTINGS))
    assert message.startswith("the batch of step 3 ") and described(batch) in message


# Where training breaks.


@pytest.mark.parametrize("log_every", [1, 5, None])
@every_model
def test_training_that_diverges_stops_and_gives_the_first_weights_back(make, log_every):
    model, twin = make(), make()
    with pytest.raises(FloatingPointError) as error:
        train(model, noise(), **{**SETTINGS, "lr": 1e30, "log_every": log_every})
    assert " at step 2: training has diverged (lr = 1e+30; a smaller one helps)." in str(error.value)
    assert "The model has the weights that it had before step 1" in str(error.value)
    assert [row["step"] for row in error.value.history.rows] == ([] if log_every == 5 else [1])
    # With the unit, and what goes with it, of the first batch: the loss was finite with them.
    twin.before_training(TensorBatches(noise(), 16, seed=0).next_batch())
    assert same(weights(model), weights(twin)) and model.unit == twin.unit
    train(model, noise(), **SETTINGS)


def test_revival_does_not_stand_in_the_way_where_training_diverges():
    for brick in ("TopK", "L1", "Gated"):
        sae = SparseAutoencoder(5, 12, BRICKS[brick]())
        sae.b_enc.data[:4] = -50.0
        with pytest.raises(FloatingPointError, match="at step 2: training has diverged"):
            train(sae, noise(200), **{**SETTINGS, **LEVEL, "lr": 1e30, "batch_size": 150, "dead_after": 1e-9})


@pytest.mark.parametrize("scale", [1e-8, 1e12])
def test_features_come_back_in_data_of_any_scale(scale):
    sae = SparseAutoencoder(5, 12, L1(0.1))
    sae.b_enc.data[:4] = -50.0 * scale
    train(sae, scale * noise(200), **{**SETTINGS, "batch_size": 150, "dead_after": 0.2})
    assert (sae.b_enc[:4] > -10 * scale).all()


@pytest.mark.parametrize(("shift", "stops"), [(20, False), (100, True)])
@every_model
def test_an_error_that_has_grown_a_thousandfold_stops_training(make, shift, stops):
    """Squared, an error 100 times as large has grown ten thousandfold."""
    model, twin = make(), make()
    batches = [noise(8, 5) + i for i in range(3)] + [noise(8, 5)] * 2
    settings = {**SETTINGS, **LEVEL, "steps": 5, "log_every": 1}

    def spoil(step):
        if step.step == 3:
            with torch.no_grad():
                bias = model.b_dec if isinstance(model, SparseAutoencoder) else model.decoder[-1].bias
                bias += shift

    if not stops:
        train(model, Given(batches), **settings, callbacks=[spoil])
        return
    with pytest.raises(FloatingPointError) as error:
        train(model, Given(batches), **settings, callbacks=[spoil])
    start, _, end = str(error.value).partition(" at step 4: ")
    assert start.startswith("the error has grown to ") and float(start.split()[-1]) > 1000
    assert end == "training has diverged (lr = 0.01; a smaller one helps). The model has the weights that it had before step 3"
    assert [row["step"] for row in error.value.history.rows] == [1, 2, 3]
    train(twin, Given(batches), **{**settings, "steps": 2})
    assert same(weights(model), weights(twin))


# Massive activations: a few examples hundreds of times as long as the rest.


@every_model
def test_examples_hundreds_of_times_as_long_are_no_divergence(make):
    batches = [noise(8, 5) + i for i in range(3)] + [400 * noise(8, 5), noise(8, 5)]
    history = train(make(), Given(batches), **{**SETTINGS, **LEVEL, "steps": 5, "log_every": 1, "lr": 1e-9})
    assert history.rows[3]["reconstruction"] > 1000 * history.rows[2]["reconstruction"]


@pytest.mark.parametrize("length", [30, 400, 1000])
@pytest.mark.parametrize("often", [0, 1, 3])
def test_a_few_long_examples_in_the_first_batch_change_neither_unit_nor_center(often, length):
    x = noise(64, 5) + 3
    x[:often] *= length
    sae = SparseAutoencoder(5, 8, TopK(2))
    sae.before_training(x)
    plain = SparseAutoencoder(5, 8, TopK(2))
    plain.before_training(x[often:])
    assert sae.unit == pytest.approx(plain.unit) and torch.allclose(sae.b_dec, plain.b_dec)


def test_data_of_which_most_are_alike_or_many_are_long_keep_all_their_examples():
    for x in (
        torch.cat([torch.zeros(97, 5), noise(3, 5)]),  # sparse: nearly always nothing
        torch.cat([noise(80, 5), 1000 * noise(20, 5)]),
        noise(64, 5).exp().exp(),
        noise(2, 5),
    ):
        sae = SparseAutoencoder(5, 8, TopK(2))
        sae.before_training(x)
        assert sae.unit == pytest.approx((x.double() - x.double().mean(dim=0)).square().sum(dim=1).mean().sqrt().item())
        assert torch.equal(sae.b_dec, x.mean(dim=0))


@pytest.mark.parametrize("seed", range(3))
def test_ordinary_examples_are_learned_beside_a_few_massive_ones(seed):
    x, _ = data.planted(d_in=16, features=24, active=2, seed=seed).sample(4_000, seed=seed)
    massive = torch.arange(0, len(x), 500)
    x[massive] = 1000 * noise(1, 16)
    sae = SparseAutoencoder(16, 32, TopK(2), seed=seed)
    train(sae, x, steps=600, batch_size=64, lr=3e-3, seed=seed, progress=False)
    ordinary = torch.ones(len(x), dtype=torch.bool)
    ordinary[massive] = False
    assert metrics.fvu(x[ordinary], sae(x[ordinary])) < 0.5


# Weights that are held still.


FREEZES = {
    "decoder alone": lambda name: name != "W_dec",
    "encoder alone": lambda name: name not in ("W_enc", "b_enc"),
    "all but b_dec": lambda name: name == "b_dec",
    "the bias and the brick's own": lambda name: name == "b_enc" or "sparsity" in name,
}


@pytest.mark.parametrize("frozen", FREEZES.values(), ids=FREEZES)
@every_brick
def test_weights_that_are_held_still_stay_and_the_others_learn(brick, frozen, tmp_path):
    """Also where features die, the first weights are scaled and centred, and the run is stopped and taken up again."""

    def make():
        sae = SparseAutoencoder(5, 12, BRICKS[brick](), seed=4)
        sae.b_enc.data[8:] = -50.0  # dead ones
        for name, weight in sae.named_parameters():
            weight.requires_grad_(not frozen(name))
        return sae

    settings = {**SETTINGS, "steps": 30, "dead_after": 0.1, "checkpoint_every": 10}
    before, sae = dict(make().named_parameters()), make()
    train(sae, 3 * noise() + 1, **settings)
    for name, weight in sae.named_parameters():
        assert torch.equal(weight, before[name]) == frozen(name), name
    stopped = make()

    def stop(step):
        if step.step == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(stopped, 3 * noise() + 1, **settings, checkpoint=tmp_path / "run", callbacks=[stop])
    stopped = make()
    train(stopped, 3 * noise() + 1, **settings, checkpoint=tmp_path / "run")
    assert same(weights(stopped), weights(sae))
    free = SparseAutoencoder(5, 12, BRICKS[brick](), seed=4)
    assert "frozen was" in refusal(lambda: train(free, 3 * noise() + 1, **settings, checkpoint=tmp_path / "run"))


def test_part_of_an_autoencoder_may_be_held_still():
    model = Autoencoder(5, 2, (8,))
    model.decoder.requires_grad_(False)
    before = weights(model)
    train(model, noise(), **SETTINGS)
    assert all(torch.equal(value, before[name]) == name.startswith("decoder") for name, value in model.state_dict().items())


@every_model
def test_a_model_of_which_nothing_may_learn_is_refused(make):
    message = refusal(lambda: train(make().requires_grad_(False), noise(), **SETTINGS))
    assert message == "model has no weight that may learn; expected some, as after model.requires_grad_(True)"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@every_model
def test_a_model_of_low_precision_is_refused_with_what_to_do_instead(make, dtype):
    message = refusal(lambda: train(make().to(dtype), noise().to(dtype), **SETTINGS))
    assert f"has dtype {dtype}, in which small steps are lost; expected float32 or float64 (precision='bfloat16' makes" in message


@pytest.mark.parametrize(("log_every", "good", "value"), [(1, 6, float("nan")), (2, 6, float("inf")), (4, 4, float("nan")), (10, 1, float("inf"))])
@every_model
def test_a_batch_that_is_not_finite_stops_training_and_gives_the_last_logged_weights_back(make, value, log_every, good):
    batches = [noise(8, 5) + i for i in range(7)]
    batches[6][3, 2] = value
    model, twin = make(), make()
    settings = {**SETTINGS, **LEVEL, "dead_after": None}
    with pytest.raises(FloatingPointError) as error:
        train(model, Given(batches), **{**settings, "log_every": log_every})
    assert " at step 7: the batch is not finite" in str(error.value)
    assert str(error.value).endswith(f"The model has the weights that it had before step {good}")
    assert [row["step"] for row in error.value.history.rows] == list(range(log_every, 7, log_every))
    if good > 1:
        train(twin, Given(batches), **{**settings, "steps": good - 1})
    else:
        twin.before_training(batches[0])
    assert same(weights(model), weights(twin)) and model.unit == twin.unit


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@every_model
def test_a_first_batch_that_is_not_finite_stops_training_before_anything_is_measured(make, value):
    first, model = noise(8, 5), make()
    first[3, 2] = value
    before, unit = weights(model), model.unit
    with pytest.raises(FloatingPointError, match=" at step 1: the batch is not finite"):
        train(model, Given([first, noise(8, 5)]), **SETTINGS)
    assert same(weights(model), before) and model.unit == unit


def broken_after_step_3(damage) -> SparseAutoencoder:
    """A model to whose weights `damage` is done at the end of its third step."""

    class Breaks(SparseAutoencoder):
        steps = 0

        def after_step(self, loss):
            super().after_step(loss)
            self.steps += 1
            if self.steps == 3:
                damage(self)

    return Breaks(5, 12, TopK(2))


def test_a_weight_that_the_last_step_broke_is_noticed_and_taken_back():
    def damage(model):
        model.b_enc.data[4] = float("-inf")  # switches a feature off: no loss would ever show it

    model = broken_after_step_3(damage)
    with pytest.raises(FloatingPointError, match=r"a weight is not finite after step 3: .* before step 3$"):
        train(model, noise(), **{**SETTINGS, "steps": 3, "log_every": 2})
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_a_weight_that_broke_where_no_loss_shows_it_is_not_kept_nor_blamed_on_the_batch():
    def damage(model):
        model.W_dec.data[4], model.b_enc.data[4] = float("nan"), -1e9  # the row of a feature that is off

    model = broken_after_step_3(damage)
    with pytest.raises(FloatingPointError, match=r"a weight is not finite before step 4: training has diverged.* before step 2$"):
        train(model, noise(), **{**SETTINGS, "steps": 4, "log_every": 2, "dead_after": None, "clip": None})
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_gradients_from_elsewhere_are_not_trained_on():
    found, expected = SparseAutoencoder(5, 12, TopK(2)), SparseAutoencoder(5, 12, TopK(2))
    for parameter in found.parameters():
        parameter.grad = torch.full_like(parameter, 3.0)
    for model in (found, expected):
        train(model, noise(), **{**SETTINGS, "steps": 2})
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in found.state_dict().items())


def test_an_encoder_that_is_to_stay_as_it_is_does():
    model = SparseAutoencoder(5, 12, TopK(2))
    model.W_enc.requires_grad_(False)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(model, noise(), **{**SETTINGS, "steps": 3, "dead_after": None})
    assert torch.equal(model.W_enc, before["W_enc"]) and not torch.equal(model.W_dec, before["W_dec"])
