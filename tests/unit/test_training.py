"""train(): what it learns, what it writes down, where its batches come from, and how it stops."""

import copy

import numpy as np
import pytest
import torch
from hostile import described, not_a_count, not_a_matrix, not_a_rate, not_a_seed, refusal, spoiled, unhurried
from hypothesis import given
from hypothesis import strategies as st
from saelib import L1, Autoencoder, SparseAutoencoder, TopK, data, metrics, train
from saelib.training import TensorBatches
from sklearn.decomposition import PCA

MODELS = [
    lambda: SparseAutoencoder(5, 12, TopK(2)),
    lambda: SparseAutoencoder(5, 12, L1(0.1)),
    lambda: Autoencoder(5, 2),
    lambda: Autoencoder(5, 2, (8,)),
]
SETTINGS = dict(steps=20, batch_size=16, lr=1e-2, seed=0, progress=False)


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
    train(model, x.x, steps=400, batch_size=500, lr=3e-2, seed=0, progress=False)
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
    train(sae, x, steps=600, batch_size=256, lr=1e-2, seed=0, progress=False)
    assert likeness() > 0.95
    assert metrics.fvu(x, sae(x)) < 0.1


@pytest.mark.parametrize("sparsity", [TopK(2), L1(0.1)])
def test_the_rows_of_w_dec_have_length_1_after_every_step(sparsity):
    sae = SparseAutoencoder(5, 12, sparsity)
    for _ in range(5):
        train(sae, noise(), **{**SETTINGS, "steps": 1, "lr": 0.1})
        assert torch.allclose(sae.W_dec.norm(dim=1), torch.ones(12), atol=1e-6)


def test_a_higher_price_gives_sparser_codes():
    found = []
    for coefficient in (0.0, 0.3, 1.0):
        sae = SparseAutoencoder(5, 12, L1(coefficient))
        train(sae, noise(), **{**SETTINGS, "steps": 200})
        found.append(metrics.l0(sae.encode(noise())))
    assert found[0] > found[1] > found[2]


@pytest.mark.parametrize("make", MODELS)
def test_training_lowers_the_loss_and_goes_on_where_it_was(make):
    model = make()
    first = train(model, noise(), **{**SETTINGS, "steps": 100, "batch_size": 100}).frame
    assert first.loss.iloc[-1] < 0.9 * first.loss.iloc[0]
    reached = model.loss(noise()).total.item()
    again = train(model, noise(), **{**SETTINGS, "steps": 1, "batch_size": 100}).frame
    assert again.loss[0] == pytest.approx(reached, rel=1e-5)


def test_data_of_another_precision_is_brought_to_the_models():
    wide, narrow = MODELS[0](), MODELS[0]()
    train(wide, noise().half().double(), **SETTINGS)
    train(narrow, noise().half(), **SETTINGS)
    assert same(weights(wide), weights(narrow)) and wide.W_dec.dtype == torch.float32


# The same again.


@pytest.mark.parametrize("make", MODELS)
def test_the_same_seed_gives_the_same_weights_and_history_bit_for_bit(make):
    one, again, other = make(), make(), make()
    history = train(one, noise(), **SETTINGS)
    torch.rand(5)
    assert train(again, noise(), **SETTINGS) == history
    assert same(weights(one), weights(again))
    train(other, noise(), **{**SETTINGS, "seed": 1})
    assert not same(weights(one), weights(other))


def test_training_neither_uses_nor_changes_the_global_random_state_nor_the_data():
    x = noise()
    before, global_state, numpy_state = x.clone(), torch.get_rng_state(), np.random.get_state()[1].copy()
    train(MODELS[0](), x, **SETTINGS)
    assert torch.equal(torch.get_rng_state(), global_state)
    assert (np.random.get_state()[1] == numpy_state).all()
    assert torch.equal(x, before)


def test_training_gives_the_threads_that_it_did_not_need_back():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        train(MODELS[0](), noise(), **SETTINGS)
        assert torch.get_num_threads() == 3
        with pytest.raises(FloatingPointError):
            train(MODELS[0](), noise(), **{**SETTINGS, "lr": 1e30})
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


# What is written down.


def test_the_history_has_a_row_for_each_logged_step_and_for_the_last_one():
    frame = train(MODELS[0](), noise(), **{**SETTINGS, "steps": 7, "log_every": 3}).frame
    assert list(frame.columns) == ["step", "loss", "reconstruction", "l0", "dead"]
    assert frame.step.tolist() == [3, 6, 7]


@pytest.mark.parametrize(("steps", "rows"), [(1, 1), (99, 99), (300, 100)])
def test_about_a_hundred_rows_are_logged_unless_told_otherwise(steps, rows):
    assert len(train(MODELS[0](), noise(), **{**SETTINGS, "steps": steps}).rows) == rows


def test_a_row_holds_what_its_batch_cost_before_the_step():
    sae = SparseAutoencoder(5, 12, L1(0.1))
    x = noise(16)
    twin = copy.deepcopy(sae)
    twin.before_training(x)
    expected = twin.loss(x)
    (row,) = train(sae, x, **{**SETTINGS, "steps": 1}).rows
    assert row["loss"] == pytest.approx(expected.total.item())
    assert row["reconstruction"] == pytest.approx(expected.reconstruction.item())
    assert row["loss"] > row["reconstruction"]
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
    train(MODELS[0](), noise(), **{**SETTINGS, "progress": progress})
    out, err = capfd.readouterr()
    assert out == ""
    assert ("training: 100%" in err and "20/20" in err) if progress else err == ""


# Where batches come from.


def test_a_users_own_batches_are_taken_in_their_order_one_a_step():
    source = Given([noise(8), noise(3), noise(1)])
    seen = []
    model = MODELS[0]()
    loss = model.loss
    model.loss = lambda x: seen.append(len(x)) or loss(x)
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


# Bad input never trains.


def refused(data=None, model=None, **changed) -> str:
    """What train() says to refuse, having left the model as it was."""
    model = MODELS[0]() if model is None else model
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
    message = refusal(lambda: train(MODELS[0](), Given([noise(4), noise(4), batch]), **SETTINGS))
    assert message.startswith("the batch of step 3 ") and described(batch) in message


# Where training breaks.


@pytest.mark.parametrize("log_every", [1, 5, None])
@pytest.mark.parametrize("make", MODELS)
def test_training_that_diverges_stops_and_gives_the_first_weights_back(make, log_every):
    model = make()
    before = weights(model)
    with pytest.raises(FloatingPointError) as error:
        train(model, noise(), **{**SETTINGS, "lr": 1e30, "log_every": log_every})
    assert "the loss is nan at step 2: training has diverged (lr = 1e+30; a smaller one helps)." in str(error.value)
    assert "The model has the weights that it had before step 1" in str(error.value)
    if isinstance(model, SparseAutoencoder) and log_every != 5:
        model.b_dec.data.zero_()  # the mean of the first batch, which that batch's loss was finite with
    assert same(weights(model), before)


@pytest.mark.parametrize(("log_every", "good"), [(1, 6), (2, 6), (4, 4), (10, 1)])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("make", MODELS)
def test_a_batch_that_is_not_finite_stops_training_and_gives_the_last_logged_weights_back(make, value, log_every, good):
    batches = [noise(8, 5) + i for i in range(7)]
    batches[6][3, 2] = value
    model, twin = make(), make()
    with pytest.raises(FloatingPointError) as error:
        train(model, Given(batches), **{**SETTINGS, "log_every": log_every})
    assert " at step 7: the batch is not finite" in str(error.value)
    assert str(error.value).endswith(f"The model has the weights that it had before step {good}")
    if good > 1:
        train(twin, Given(batches), **{**SETTINGS, "steps": good - 1})
    assert same(weights(model), weights(twin))


def test_a_weight_that_the_last_step_broke_is_noticed_and_taken_back():
    class Breaks(SparseAutoencoder):
        steps = 0

        def after_step(self):
            self.steps += 1
            if self.steps == 3:
                self.b_enc.data[4] = float("-inf")  # switches a feature off: no loss would ever show it

    model = Breaks(5, 12, TopK(2))
    with pytest.raises(FloatingPointError, match=r"a weight is not finite after step 3: .* before step 2$"):
        train(model, noise(), **{**SETTINGS, "steps": 3, "log_every": 2})
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())
