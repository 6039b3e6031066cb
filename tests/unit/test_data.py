"""The data that the chapters use."""

import itertools
import socket

import pytest
import saelib
import skimage.data
import torch
from hostile import described, not_a_count, not_a_rate, not_a_seed, refusal, unhurried
from hypothesis import example, given
from hypothesis import strategies as st
from saelib import data
from saelib.data import photos, planted
from saelib.streams import stream
from sklearn.datasets import load_digits, load_sample_image


def test_digits_are_ink_from_0_to_1_in_sixteenths_with_labels():
    train, held_out = data.digits()
    for part, n in ((train, 1500), (held_out, 297)):
        assert part.x.shape == (n, 64) and part.x.dtype == torch.float32
        assert part.label.shape == (n,) and part.label.dtype == torch.int64
        assert part.x.min() == 0 and part.x.max() == 1
        assert torch.equal(part.x * 16, (part.x * 16).round())


def test_the_two_parts_hold_every_digit_of_the_data_set_once_under_its_own_label():
    train, held_out = data.digits()
    bunch = load_digits()
    expected = sorted((*(row / 16).tolist(), int(label)) for row, label in zip(bunch.data, bunch.target))
    found = torch.cat([torch.cat([part.x.double(), part.label[:, None].double()], dim=1) for part in (train, held_out)])
    assert sorted(map(tuple, found.tolist())) == expected


def test_both_parts_are_a_fair_mixture_of_the_ten_digits():
    for part in data.digits():
        share = part.label.bincount(minlength=10) / len(part.label)
        assert (share - 0.1).abs().max() < 0.04


def test_digits_are_always_the_same_and_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    first = data.digits()
    torch.rand(3)
    torch.manual_seed(1)
    second = data.digits()
    assert all(torch.equal(a, b) for one, other in zip(first, second) for a, b in zip(one, other))
    torch.set_rng_state(before)
    data.digits()
    assert torch.equal(torch.get_rng_state(), before)


def test_every_made_thing_has_random_numbers_of_its_own():
    def beginning(generator):
        return tuple(torch.rand(8, generator=generator).tolist())

    purposes = ("planted dictionary", "planted sample", "planted batches", "photo patches")
    seeds = (0, 1, 2**32, 2**63 - 1)  # torch itself takes 0 and 2**32 for the same
    beginnings = {beginning(stream(purpose, seed)) for purpose in purposes for seed in seeds}
    assert len(beginnings) == len(purposes) * len(seeds)
    assert not beginnings & {beginning(torch.Generator().manual_seed(seed)) for seed in (0, 1)}
    assert beginning(stream("planted sample", 1)) == beginning(stream("planted sample", 1))


REFERENCE = {"d_in": 256, "features": 512, "active": 5, "decay": 0.99}


def on(n=100_000, seed=1, **settings) -> torch.Tensor:
    """(n, features): which features are on in n examples of a world, 1.0 or 0.0."""
    return (data.planted(**{"d_in": 4, **settings}).sample(n, seed=seed)[1] > 0).float()


def test_a_planted_dictionary_has_rows_of_length_1_in_every_direction_unlike_a_models_first_weights():
    dictionary = data.planted(**REFERENCE, seed=3).dictionary
    assert dictionary.shape == (512, 256) and dictionary.dtype == torch.float32
    torch.testing.assert_close(dictionary.norm(dim=1), torch.ones(512))
    assert dictionary.mean(dim=0).abs().max() < 4 / 512**0.5 / 16
    taken = torch.randn(512, 256, generator=torch.Generator().manual_seed(3))
    assert torch.nn.functional.cosine_similarity(dictionary, taken).abs().max() < 0.3


@pytest.mark.parametrize("extra", [{}, {"correlation": 0.5}, {"hierarchy": 3}, {"hierarchy": 3, "correlation": 0.9}])
def test_an_example_is_the_sum_of_the_features_that_are_on_with_strengths_from_low_to_high(extra):
    world = data.planted(**REFERENCE, **extra, low=0.5, high=3.0)
    x, codes = world.sample(2000, seed=0)
    assert x.shape == (2000, 256) and codes.shape == (2000, 512) and x.dtype == codes.dtype == torch.float32
    torch.testing.assert_close(x, codes @ world.dictionary)
    strength = codes[codes != 0]
    assert strength.min() >= 0.5 and strength.max() <= 3 and abs(strength.mean() - 1.75) < 0.03
    assert abs(strength.std() - 2.5 / 12**0.5) < 0.03


def test_low_and_high_may_be_the_same():
    codes = data.planted(d_in=4, features=9, active=3, low=0.7, high=0.7).sample(50, seed=0)[1]
    assert codes.unique().tolist() == pytest.approx([0, 0.7])


def test_noise_is_normal_of_that_size_on_every_number_and_leaves_the_codes_alone():
    plain, noisy = (data.planted(**REFERENCE, noise=noise) for noise in (0, 0.3))
    (x, codes), (disturbed, same) = plain.sample(1000, seed=5), noisy.sample(1000, seed=5)
    assert torch.equal(codes, same) and torch.equal(plain.dictionary, noisy.dictionary)
    noise = (disturbed - x) / 0.3
    assert noise.mean().abs() < 0.01 and (noise.std() - 1).abs() < 0.01 and (noise.pow(4).mean() - 3).abs() < 0.1
    assert (noise.std(dim=0) - 1).abs().max() < 0.15 and (noise.T @ noise / 1000 - torch.eye(256)).abs().max() < 0.3


def test_the_active_features_are_drawn_one_at_a_time_by_their_weights_without_replacement():
    weight = torch.tensor([1, 0.5, 0.25, 0.125])
    expected = torch.zeros(4, 4)
    for first in range(4):
        for second in {0, 1, 2, 3} - {first}:
            chance = weight[first] / weight.sum() * weight[second] / (weight.sum() - weight[first])
            expected[first, second] += chance
            expected[second, first] += chance
    found = on(features=4, active=2, decay=0.5)
    assert ((found.T @ found / len(found)).fill_diagonal_(0) - expected).abs().max() < 0.007
    off = 1 - on(features=4, active=3, decay=0.5)  # four draws are rarely enough here: the slow way is right too
    last = torch.zeros(4)
    for order in itertools.permutations(range(4)):
        left, chance = weight.sum(), 1.0
        for feature in order:
            chance, left = chance * weight[feature] / left, left - weight[feature]
        last[order[-1]] += chance
    assert (off.mean(dim=0) - last).abs().max() < 0.007


def test_frequencies_fall_with_the_decay_and_are_level_without():
    frequency = on(**{**REFERENCE, "d_in": 4}).mean(dim=0)
    expected = 0.99 ** torch.arange(512.0)
    expected *= 5 / expected.sum()
    for start in range(0, 512, 64):
        part = slice(start, start + 64)
        assert (frequency[part].sum() / expected[part].sum() - 1).abs() < 0.04
    level = on(features=512, active=5).mean(dim=0)
    assert (level * 512 / 5 - 1).abs().max() < 0.17


@given(
    features=st.integers(1, 40),
    share=st.floats(0, 1),
    decay=st.floats(1e-3, 1),
    correlation=st.floats(0, 1),
    seed=st.integers(0, 9),
)
@example(features=40, share=1.0, decay=1e-300, correlation=0.0, seed=0)
@example(features=40, share=0.9, decay=1e-300, correlation=1.0, seed=0)
@unhurried
def test_exactly_so_many_features_are_on_however_steep_the_decay(features, share, decay, correlation, seed):
    active = max(1, round(share * features))
    found = on(n=64, features=features, active=active, decay=decay, correlation=correlation, seed=seed)
    assert (found.sum(dim=1) == active).all()


def test_correlated_partners_are_on_together_more_often_the_more_correlation():
    settings = {"features": 100, "active": 10, "decay": 0.99}
    plain = on(**settings)
    assert (data.planted(d_in=4, **settings).partners == -1).all()
    for strength in (0.3, 0.6, 0.9):
        world = data.planted(d_in=4, **settings, correlation=strength)
        assert torch.equal(world.partners, torch.arange(100) ^ 1)
        found = on(**settings, correlation=strength)
        correlation = torch.corrcoef(found.T)
        own = correlation[torch.arange(100), world.partners]
        assert own.mean() == pytest.approx(0.9 * strength, abs=0.04) and (own - own.mean()).abs().max() < 0.04
        correlation[torch.arange(100), world.partners] = 0
        assert correlation.fill_diagonal_(0).abs().max() < 0.04
        assert (found.sum(dim=1) == 10).all()
        assert (found.mean(dim=0) / plain.mean(dim=0) - 1).abs().max() < 0.06
        by_place = [found[:, place::2].mean() / plain[:, place::2].mean() for place in (0, 1)]
        assert by_place == pytest.approx([1, 1], abs=0.005)


def test_correlation_leaves_the_odd_feature_out_alone():
    world = data.planted(d_in=4, features=5, active=2, correlation=0.9)
    assert world.partners.tolist() == [1, 0, 3, 2, -1]
    found = on(features=5, active=2, correlation=0.9)
    assert (found[:, 4].mean() - 0.4).abs() < 0.06 and torch.corrcoef(found.T)[0, 1] > 0.3


def test_partners_of_very_different_weight_are_as_often_on_as_without_correlation():
    tree = torch.tensor([-1, 0, 1, 2, 3, 4, 5, *[-1] * 33])
    settings = {"features": 40, "active": 2, "hierarchy": tree, "descent": 0.0, "decay": 0.9}
    plain, found = on(**settings).mean(dim=0), on(**settings, correlation=0.9).mean(dim=0)
    # Roots 0 and 7 are partners, of weights 1 and 0.48: were each brought as often as it brings, 7 would be on more often.
    assert (found[[0, 7, 8, 9]] / plain[[0, 7, 8, 9]] - 1).abs().max() < 0.1


def test_a_drawn_feature_brings_its_partner_once_and_takes_no_more_of_a_frequency_than_it_brings():
    # Weights 1, 1/2 and 1/4, of which 0 and 1 have 0.8 * 1/2 in common, half of it from either.
    weight = {0: 0.8, 1: 0.3, 2: 0.25}
    brings = {0: 0.2 / 0.8, 1: 0.2 / 0.3, 2: 0.0}
    expected = {frozenset(pair): 0.0 for pair in ((0, 1), (0, 2), (1, 2))}
    for first in weight:
        chance = weight[first] / sum(weight.values())
        if brings[first]:
            expected[frozenset((0, 1))] += chance * brings[first]
        left = {feature: weight[feature] for feature in weight if feature != first}
        for second in left:
            expected[frozenset((first, second))] += chance * (1 - brings[first]) * left[second] / sum(left.values())
    found = on(features=3, active=2, decay=0.5, correlation=0.8)
    for pair, chance in expected.items():
        assert abs(found[:, sorted(pair)].all(dim=1).float().mean() - chance) < 0.007


def test_a_family_is_a_parent_and_its_children_in_a_row():
    assert data.planted(d_in=4, features=8, active=1, hierarchy=2).parents.tolist() == [-1, 0, 0, -1, 3, 3, -1, 6]
    assert data.planted(d_in=4, features=3, active=1).parents.tolist() == [-1, -1, -1]
    assert data.planted(d_in=4, features=3, active=1, hierarchy=9).parents.tolist() == [-1, 0, 0]


def test_a_child_is_on_only_where_its_parent_is_and_one_at_most():
    for extra in ({}, {"correlation": 0.7}):
        found = on(features=512, active=5, decay=0.99, hierarchy=3, descent=0.4, **extra)
        roots, children = found[:, ::4], found.view(-1, 128, 4)[:, :, 1:].sum(dim=2)
        assert (roots.sum(dim=1) == 5).all() and (children <= roots).all()
        assert found.sum(dim=1).mean() == pytest.approx(5 * 1.4, abs=0.02)


def test_siblings_share_what_their_parent_passes_on_by_their_weights():
    found = on(features=8, active=1, hierarchy=3, decay=0.5, descent=0.8).mean(dim=0)
    expected = 0.8 * torch.tensor([4, 2, 1]) / 7
    assert (found[1:4] / found[0] - expected).abs().max() < 0.01 and (found[5:] / found[4] - expected).abs().max() < 0.04


def test_families_of_weights_too_small_for_a_number_still_share_and_never_mix():
    tree = torch.full((3000,), -1)
    tree[2998:] = 0
    found = on(n=20_000, features=3000, active=1, decay=0.5, descent=1.0, hierarchy=tree).mean(dim=0)
    assert (found[2998:] / found[0] - torch.tensor([2 / 3, 1 / 3])).abs().max() < 0.02
    # Where one family ends is where the next begins, to the last bit: a child of another one would come too rarely to see.
    ends = data.planted(d_in=1, features=4000, active=1, decay=0.9, hierarchy=3)._family_upper[2::3]
    assert torch.equal(ends, torch.arange(1, 1001, dtype=torch.float64))


@pytest.mark.parametrize("descent", [0.0, 1.0])
def test_a_parent_never_or_always_turns_on_a_child_at_the_ends_of_descent(descent):
    found = on(n=20_000, features=40, active=3, hierarchy=3, decay=1e-3, descent=descent)
    assert torch.equal(found.view(-1, 10, 4)[:, :, 1:].sum(dim=2), descent * found[:, ::4])


def test_partners_are_roots():
    world = data.planted(d_in=4, features=12, active=2, hierarchy=2, correlation=0.8)
    assert world.partners.tolist() == [3, -1, -1, 0, -1, -1, 9, -1, -1, 6, -1, -1]
    correlation = torch.corrcoef(on(features=12, active=2, hierarchy=2, correlation=0.8).T)
    assert correlation[0, 3] > 0.2 and correlation[0, 6] < -0.2


@given(data=st.data(), features=st.integers(1, 12), descent=st.sampled_from([0.5, 1.0]))
@unhurried
def test_any_tree_is_obeyed_to_any_depth(data, features, descent):
    parents = torch.tensor([data.draw(st.integers(-1, feature - 1)) for feature in range(features)])
    active = data.draw(st.integers(1, int((parents < 0).sum())))
    found = on(n=500, features=features, active=active, hierarchy=parents, descent=descent, decay=0.9)
    assert (found[:, parents < 0].sum(dim=1) == active).all()
    for feature, parent in enumerate(parents.tolist()):
        assert parent < 0 or (found[:, feature] <= found[:, parent]).all()
        children = found[:, parents == feature].sum(dim=1)
        assert (children <= 1).all()
        if descent == 1 and (parents == feature).any():
            assert torch.equal(children, found[:, feature])


def test_a_chain_passes_on_half_of_the_time_at_every_step():
    found = on(features=5, active=1, hierarchy=torch.tensor([-1, 0, 1, 2, 3])).mean(dim=0)
    assert found.tolist() == pytest.approx([1, 0.5, 0.25, 0.125, 0.0625], abs=0.007)


def test_a_world_keeps_its_tree_when_the_callers_tensor_changes():
    tree = torch.tensor([-1, 0, 0])
    world = data.planted(d_in=4, features=3, active=1, hierarchy=tree)
    tree.fill_(-1)
    assert world.parents.tolist() == [-1, 0, 0]


def test_planted_data_are_those_of_their_seeds_and_leave_the_global_random_state_alone():
    settings = {**REFERENCE, "correlation": 0.3, "hierarchy": 1, "noise": 0.1}
    before = torch.get_rng_state()
    world = data.planted(**settings, seed=7)
    x, codes = world.sample(500, seed=3)
    batch = world.batches(500, seed=3).next_batch()
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    again = data.planted(**settings, seed=7)
    assert torch.equal(again.dictionary, world.dictionary)
    assert all(torch.equal(*pair) for pair in zip(again.sample(500, seed=3), (x, codes)))
    assert torch.equal(again.batches(500, seed=3).next_batch(), batch)
    assert not torch.equal(data.planted(**settings, seed=8).dictionary, world.dictionary)
    for other in (world.sample(500, seed=4)[0], world.batches(500, seed=4).next_batch(), batch):
        assert not (x[:, None, :2] == other[None, :, :2]).all(dim=2).any()


def test_batches_are_always_fresh_and_go_on_exactly_from_a_saved_state():
    world = data.planted(**REFERENCE, correlation=0.3, hierarchy=1, noise=0.1)
    batches = world.batches(7, seed=2)
    first = batches.next_batch()
    assert first.shape == (7, 256) and first.dtype == torch.float32
    state = batches.state_dict()
    rest = [batches.next_batch() for _ in range(3)]
    assert len(torch.cat([first, *rest]).unique(dim=0)) == 28
    resumed = world.batches(7, seed=99)
    resumed.load_state_dict(state)
    assert all(torch.equal(resumed.next_batch(), batch) for batch in rest)
    assert all(isinstance(value, (torch.Tensor, int, float, str)) for value in state.values())


def test_train_takes_planted_batches():
    world = data.planted(d_in=6, features=9, active=2)
    model = saelib.Autoencoder(6, 3, seed=0)
    history = saelib.train(model, world.batches(32, seed=0), steps=3, batch_size=32, lr=0.01, seed=0, progress=False)
    assert len(history.rows) == 3


SMALL = {"d_in": 4, "features": 6, "active": 2}
BAD = {
    **dict.fromkeys(("d_in", "features", "active"), not_a_count),
    **{name: not_a_rate | st.floats(min_value=1, exclude_min=True) for name in ("decay", "correlation", "descent")},
    **{name: not_a_rate | st.sampled_from([0.0, 1e-31, 1e31]) for name in ("low", "high")},
    "noise": not_a_rate | st.just(1e31),
    "seed": not_a_seed,
    "hierarchy": not_a_count.filter(lambda value: value is not None and not isinstance(value, torch.Tensor)),
}


@pytest.mark.parametrize("name", BAD)
@given(data=st.data())
@unhurried
def test_planted_refuses_and_names_what_is_wrong(name, data):
    value = data.draw(BAD[name])
    assert refusal(lambda: planted(**{**SMALL, name: value})).startswith(f"{name} is {value!r}; expected")


def test_planted_refuses_what_does_not_fit_together():
    assert refusal(lambda: planted(**SMALL, decay=0)) == "decay is 0; expected a finite number above 0 and of at most 1"
    bounds = "expected a finite number of at least 2.0 and of at most 1e+30"
    assert refusal(lambda: planted(**SMALL, low=2, high=1)) == f"high is 1; {bounds}"
    most = "; expected at most {}, the number of features without a parent"
    assert refusal(lambda: planted(**{**SMALL, "active": 7})) == "active is 7" + most.format(6)
    assert refusal(lambda: planted(**{**SMALL, "active": 4}, hierarchy=1)) == "active is 4" + most.format(3)


@pytest.mark.parametrize(
    "tree, why",
    [
        (torch.zeros(6), "hierarchy has shape (6,) and dtype torch.float32; expected (6,) and torch.int64"),
        (torch.full((5,), -1), "hierarchy has shape (5,) and dtype torch.int64; expected (6,) and torch.int64"),
        (torch.tensor([0, -1, -1, -1, -1, -1]), "hierarchy[0] is 0; expected an earlier feature, or -1 for none"),
        (torch.tensor([-1, 2, 1, -1, -1, -1]), "hierarchy[1] is 2; expected an earlier feature, or -1 for none"),
        (torch.tensor([-1, -1, -1, -1, -1, -2]), "hierarchy[5] is -2; expected an earlier feature, or -1 for none"),
        (torch.tensor([-1, -1, -1, -1, -1, 6]), "hierarchy[5] is 6; expected an earlier feature, or -1 for none"),
    ],
)
def test_planted_refuses_a_tree_that_is_none(tree, why):
    assert refusal(lambda: planted(**SMALL, hierarchy=tree)) == why


@given(size=not_a_count, seed=not_a_seed)
@unhurried
def test_a_world_refuses_sizes_and_seeds_that_are_none(size, seed):
    world = planted(**SMALL)
    assert refusal(lambda: world.sample(size, seed=0)).startswith(f"n is {size!r}; expected")
    assert refusal(lambda: world.batches(size, seed=0)).startswith(f"batch_size is {size!r}; expected")
    for call in (lambda: world.sample(1, seed=seed), lambda: world.batches(1, seed=seed)):
        assert refusal(call).startswith(f"seed is {seed!r}; expected")


def test_photos_are_those_of_scikit_image_and_scikit_learn(monkeypatch):
    monkeypatch.setattr(socket.socket, "connect", None)
    assert set(data.PHOTOS) >= {"cat", "astronaut", "camera", "coffee", "rocket", "china", "flower"}
    for name in data.PHOTOS:
        of_sklearn = name in ("china", "flower")
        expected = torch.tensor(load_sample_image(f"{name}.jpg") if of_sklearn else getattr(skimage.data, name)())
        found = data.photo(name)
        assert found.dtype == torch.float32 and found.ndim == 3 and found.shape[2] == 3
        assert found.min() >= 0 and 0.8 < found.max() <= 1
        if expected.ndim == 2:
            expected = expected[..., None].expand(-1, -1, 3)
        assert torch.equal((found * 255).round(), expected.float())


def test_gray_is_the_brightness_of_a_colour():
    colours = torch.tensor([[[0.0, 0, 0], [1, 1, 1], [1, 0, 0]], [[0, 1, 0], [0, 0, 1], [0.5, 0.5, 0.5]]])
    torch.testing.assert_close(data.gray(colours), torch.tensor([[0, 1, 0.2126], [0.7152, 0.0722, 0.5]]))


def test_photo_patches_are_pieces_of_the_photograph_less_their_means():
    x = data.photo_patches(10, size=5, names=["coins"], seed=1)
    assert x.shape == (10, 25) and x.dtype == torch.float32
    assert x.mean(dim=1).abs().max() < 1e-6
    windows = data.gray(data.photo("coins")).unfold(0, 5, 1).unfold(1, 5, 1).reshape(-1, 25)
    windows = windows - windows.mean(dim=1, keepdim=True)
    assert all(((windows - patch).abs().amax(dim=1) < 1e-6).any() for patch in x)


def test_photo_patches_come_from_every_place_alike_and_more_from_a_larger_photograph(monkeypatch):
    pictures = {"brick": torch.arange(12.0).reshape(3, 4), "grass": 100 + torch.arange(30.0).reshape(5, 6) ** 2}
    monkeypatch.setattr(photos, "photo", lambda name: pictures[name][..., None].expand(-1, -1, 3))
    x = data.photo_patches(26_000, size=2, names=["brick", "grass"])
    kinds, times = x.round(decimals=2).unique(dim=0, return_counts=True)
    windows = [picture.unfold(0, 2, 1).unfold(1, 2, 1).reshape(-1, 4) for picture in pictures.values()]
    assert [len(window) for window in windows] == [6, 20]
    assert len(kinds) == 1 + 20  # those of the even slope are all alike
    assert times.max() / 6000 == pytest.approx(1, abs=0.05)
    assert times.sort().values[:-1].tolist() == pytest.approx([1000] * 20, abs=150)


def test_photo_patches_leave_the_cat_out_unless_asked_for(monkeypatch):
    seen = []
    monkeypatch.setattr(photos, "photo", lambda name: seen.append(name) or torch.rand(9, 9, 3, generator=torch.Generator()))
    data.photo_patches(3)
    assert set(seen) == set(data.PHOTOS) - {"cat"}
    data.photo_patches(3, names=["cat"])
    assert seen[-1] == "cat"


def test_photo_patches_are_those_of_their_seed_and_leave_the_global_random_state_alone():
    before = torch.get_rng_state()
    first = data.photo_patches(9, names=["camera"], seed=4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(data.photo_patches(9, names=("camera",), seed=4), first)
    assert not torch.equal(data.photo_patches(9, names=["camera"], seed=5), first)


@given(rows=st.integers(1, 4), columns=st.integers(1, 4), size=st.integers(1, 5), right=st.integers(0, 4), below=st.integers(0, 4))
@unhurried
def test_a_picture_is_the_same_after_patches_and_back_but_for_what_was_cut_off(rows, columns, size, right, below):
    height, width = rows * size + min(below, size - 1), columns * size + min(right, size - 1)
    picture = torch.arange(float(height * width)).reshape(height, width)
    x = data.patches(picture, size)
    assert x.shape == (rows * columns, size * size)
    assert torch.equal(x[-1].reshape(size, size), picture[(rows - 1) * size : rows * size, (columns - 1) * size : columns * size])
    assert torch.equal(data.from_patches(x, width), picture[: rows * size, : columns * size])


@given(value=st.one_of(st.none(), st.text(max_size=8), st.integers(), st.just(["cat"])))
@unhurried
def test_unknown_photographs_are_refused_with_the_names_of_the_known(value):
    assert refusal(lambda: data.photo(value)) == f"name is {value!r}; expected one of {', '.join(data.PHOTOS)}"
    known = f"; expected one of {', '.join(data.PHOTOS)}"
    assert refusal(lambda: data.photo_patches(2, names=["camera", value])) == f"names[1] is {value!r}" + known


@given(value=not_a_count, seed=not_a_seed)
@unhurried
def test_patches_refuse_sizes_and_seeds_that_are_none(value, seed):
    picture = torch.rand(8, 8, generator=torch.Generator())
    assert refusal(lambda: data.photo_patches(value)).startswith(f"n is {value!r}; expected")
    assert refusal(lambda: data.photo_patches(1, size=value)).startswith(f"size is {value!r}; expected")
    assert refusal(lambda: data.photo_patches(1, seed=seed)).startswith(f"seed is {seed!r}; expected")
    assert refusal(lambda: data.patches(picture, value)).startswith(f"size is {value!r}; expected")
    assert refusal(lambda: data.from_patches(picture[:, :4], value)).startswith(f"width is {value!r}; expected")


def test_patches_refuse_what_does_not_fit_together():
    flat, narrow = torch.zeros(6, 4), torch.zeros(6, 5)
    coins = {"names": ["coins"]}  # 303 pixels high
    for call, why in (
        (lambda: data.photo_patches(1, size=304, **coins), "size is 304; expected at most 303, the shorter side of a photograph"),
        (lambda: data.patches(flat, 5), "size is 5; expected at most 4, the shorter side of the picture"),
        (lambda: data.from_patches(narrow, 4), "x has shape (6, 5); expected square patches: a square number of columns"),
        (lambda: data.from_patches(flat, 8), "x has 6 patches; expected full rows of 4, as many as fit into a width of 8"),
        (lambda: data.from_patches(flat, 1), "width is 1; expected a whole number of at least 2"),
    ):
        assert refusal(call) == why
    for names in ("cat", 3, None):
        why = refusal(lambda names=names: data.photo_patches(1, names=names))
        assert why.startswith(f"names is {names!r}; expected a list of some of astronaut")
    assert refusal(lambda: data.photo_patches(1, names=[])).startswith("names is empty; expected some of")


@pytest.mark.parametrize(
    "value, got",
    [
        (torch.zeros(6, 4), "has shape (6, 4), torch.float32"),
        (torch.zeros(2, 2, 3, dtype=torch.uint8), "has shape (2, 2, 3), torch.uint8"),
        ("cat", "is str"),
    ],
)
def test_gray_refuses_what_has_no_three_colours(value, got):
    assert refusal(lambda: data.gray(value)) == f"picture {got}; expected a floating-point tensor of shape (h, w, 3)"


NO_MATRIX = [None, torch.zeros(4), torch.zeros(2, 2, 3), torch.zeros(0, 4), torch.zeros(2, 4, dtype=torch.int64)]


@pytest.mark.parametrize("value", NO_MATRIX)
def test_patches_refuse_what_is_no_matrix(value):
    for name, call in (("picture", data.patches), ("x", data.from_patches)):
        why = refusal(lambda call=call: call(value, 2))
        assert why.startswith(f"{name} ") and described(value) in why
