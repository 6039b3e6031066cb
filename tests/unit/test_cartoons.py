"""Cartoon cats: the parts that are said to be in a drawing are the parts that are in it; and how features are laid over them."""

import pytest
import torch
from hostile import refusal
from saelib import L1, SparseAutoencoder, data, interpret
from saelib.data import cartoons


def test_cats_have_the_shapes_and_the_ink_that_are_said():
    cats = data.cartoon_cats(50, seed=3)
    parts = len(cartoons.PARTS)
    assert cats.images.shape == (50, 32 * 32) and cats.images.dtype == torch.float32
    assert cats.masks.shape == (50, parts, 32, 32) and cats.masks.dtype == torch.bool
    assert cats.shapes.shape == cats.places.shape == (50, parts) and cats.parts == cartoons.PARTS
    assert cats.images.min() == 0 and cats.images.max() <= 1
    assert torch.equal(cats.images * 16, (cats.images * 16).round())


def test_the_same_seed_gives_the_same_cats_and_leaves_the_global_random_state_alone():
    before = torch.get_rng_state()
    one, other, third = data.cartoon_cats(20, seed=5), data.cartoon_cats(20, seed=5), data.cartoon_cats(20, seed=6)
    assert all(torch.equal(a, b) for a, b in zip(one[:4], other[:4]))
    assert not torch.equal(one.images, third.images)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("size", cartoons.SIZES)
def test_no_part_covers_another(size):
    touched = (cartoons._drawn(size)[1] != 0).any(dim=2).any(dim=1)
    assert touched.sum(dim=0).max() == 1


def test_a_drawing_without_a_part_differs_within_its_mask_only_and_everywhere_there():
    cats = data.cartoon_cats(30, seed=1)
    head, parts = cartoons._drawn(32)
    for cat in range(30):
        for gone in range(len(cats.parts)):
            without = head.clone()
            for part in range(len(cats.parts)):
                if part != gone and cats.shapes[cat, part] >= 0:
                    without += parts[part, cats.shapes[cat, part], cats.places[cat, part]]
            assert torch.equal(without != cats.images[cat].reshape(32, 32), cats.masks[cat, gone])


def test_a_part_has_pixels_just_where_it_is_there():
    cats = data.cartoon_cats(300, seed=2)
    assert torch.equal(cats.masks.flatten(2).any(dim=2), cats.shapes >= 0)
    assert torch.equal(cats.shapes >= 0, cats.places >= 0)


@pytest.mark.parametrize("present", [0.0, 0.4, 0.75, 1.0])
def test_parts_are_there_as_often_as_asked_and_each_by_itself(present):
    there = (data.cartoon_cats(3000, present=present, seed=4).shapes >= 0).double()
    assert (there.mean(dim=0) - present).abs().max() < 0.04
    if 0 < present < 1:
        correlation = torch.corrcoef(there.T) - torch.eye(there.shape[1])
        assert correlation.abs().max() < 0.08


def test_shapes_and_places_are_drawn_evenly_and_only_eyes_move():
    cats = data.cartoon_cats(4000, seed=4)
    for part, name in enumerate(cats.parts):
        for drawn, kinds in ((cats.shapes, 3), (cats.places, 3 if name.endswith("eye") else 1)):
            own = drawn[:, part][cats.shapes[:, part] >= 0]
            share = own.bincount(minlength=3) / len(own)
            assert (share[:kinds] - 1 / kinds).abs().max() < 0.05 and share[kinds:].sum() == 0


def test_an_eye_moves_a_pixel_towards_the_nose_or_away_and_keeps_its_form():
    parts = cartoons._drawn(32)[1]
    for name, inwards in (("left eye", 1), ("right eye", -1)):
        usual, nearer, further = (parts[cartoons.PARTS.index(name), :, place] for place in range(3))
        assert torch.equal(nearer, usual.roll(inwards, dims=2)) and torch.equal(further, usual.roll(-inwards, dims=2))


def test_bad_arguments_are_refused_by_name():
    assert refusal(lambda: data.cartoon_cats(0)) == "n is 0; expected a whole number of at least 1"
    assert refusal(lambda: data.cartoon_cats(1, size=33)) == "size is 33; expected one of 32, 48"
    assert refusal(lambda: data.cartoon_cats(1, present=1.5)).startswith("present is 1.5; expected a finite number")
    assert refusal(lambda: data.cartoon_cats(1, seed=-1)).startswith("seed is -1; expected a whole number")


def _pixels_alone() -> SparseAutoencoder:
    """Pictures of 2x2 pixels, a feature for each pixel."""
    sae = SparseAutoencoder(4, 4, L1(0))
    with torch.no_grad():
        sae.W_enc.copy_(torch.eye(4))
        sae.W_dec.copy_(torch.eye(4))
    return sae


def test_overlap_by_hand():
    # Feature 0 is on in rows 0 and 1, and draws one of two pixels of the part, or one where the part is not. Off is usual.
    x = torch.zeros(5, 4)
    x[0, 0] = x[1, 0] = x[2, 1] = 1.0
    masks = torch.zeros(5, 1, 2, 2, dtype=torch.bool)
    masks[0, 0, 0] = True
    masks[2, 0, 0, 1] = True
    overlap = interpret.part_overlap(_pixels_alone(), x, masks, least=1)
    assert overlap.tolist() == [[0.25, 1.0, 0.0, 0.0]]
    assert interpret.part_overlap(_pixels_alone(), x, masks, least=2).tolist() == [[0.25, 0.0, 0.0, 0.0]]


def test_masks_that_do_not_fit_are_refused():
    sae, x = _pixels_alone(), torch.zeros(3, 4)
    for bad in (torch.zeros(3, 1, 2, 2), torch.zeros(2, 1, 2, 2, dtype=torch.bool), torch.zeros(3, 2, 2, dtype=torch.bool), None):
        assert refusal(lambda: interpret.part_overlap(sae, x, bad)).startswith("masks is ")


def test_overlap_of_a_feature_that_is_mostly_on_looks_at_the_pictures_where_it_is_not_as_usual():
    x = torch.zeros(5, 4)
    x[:, 2] = 1.0
    x[4, 2] = 0.5
    masks = torch.zeros(5, 1, 2, 2, dtype=torch.bool)
    masks[4, 0, 1, 0] = True
    assert interpret.part_overlap(_pixels_alone(), x, masks, least=1).tolist() == [[0.0, 0.0, 1.0, 0.0]]


def test_a_change_too_faint_to_see_does_not_count():
    x = torch.zeros(3, 4)
    x[0, 0], x[1, 1] = 0.99 * interpret.VISIBLE, 1.01 * interpret.VISIBLE
    masks = torch.zeros(3, 1, 2, 2, dtype=torch.bool)
    masks[0, 0, 0, 0] = masks[1, 0, 0, 1] = True
    assert interpret.part_overlap(_pixels_alone(), x, masks, least=1).tolist() == [[0.0, 1.0, 0.0, 0.0]]


@pytest.mark.parametrize("least", [0, 1.5, True])
def test_a_least_that_is_no_count_is_refused(least):
    masks = torch.zeros(3, 1, 2, 2, dtype=torch.bool)
    assert refusal(lambda: interpret.part_overlap(_pixels_alone(), torch.zeros(3, 4), masks, least=least)).startswith(
        f"least is {least!r}; expected"
    )
