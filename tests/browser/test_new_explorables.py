"""The dial, the switchboard and superposition: what all explorables promise, and their numbers against Python's."""

import math
import re

import pytest
import saelib
import torch
from explorables import BUSY, CLOSE, FULL, labels, number, pixels, readout, shares
from pages import hash_of
from playwright.sync_api import expect
from promises import *  # noqa: F403
from promises import test_they_fit_the_window_and_bar_nobody  # noqa: F401
from saelib.widgets import Dial, Superposition, Switchboard
from saelib.widgets.base import javascript

SIZE, KS = 40, (1, 3, 12)


@pytest.fixture(scope="module")
def saes(digits):
    """k to a sparse autoencoder, little trained: any weights will do."""
    found = {}
    for k in KS:
        found[k] = saelib.SparseAutoencoder(64, SIZE, saelib.TopK(k))
        saelib.train(found[k], digits[0].x, steps=60, batch_size=256, lr=1e-2, seed=0, progress=False)
    return found


@pytest.fixture(scope="module")
def address(saes, digits, served):
    """Where a page with all three stands."""
    return served(Dial(saes, digits[1], first=2), Switchboard(saes[3], digits[1], first=4), Superposition())


@pytest.fixture
def explorables(explorables):
    """The same, with all three."""

    def open_page(hash="", **options):
        tab, found = explorables(hash, **options)
        assert len(found) == 3
        return tab, found

    return open_page


def test_the_address_brings_back_what_was_seen(explorables):
    tab, found = explorables()
    before = [readout(explorable) for explorable in found]
    for slider in tab.locator("input[type=range]").all():
        slider.focus()
        for key in ("Home", "ArrowRight", "ArrowRight"):
            tab.keyboard.press(key)
    found[1].locator(".sae-box input").nth(7).check()
    found[2].get_by_role("button", name="Another start").click()
    expect(tab.locator(BUSY)).to_have_count(0)
    there = [readout(explorable) for explorable in found]
    assert all(words != old for words, old in zip(there, before))
    pictures = [pixels(explorable.locator("canvas")) for explorable in found[:2]]
    arrows = found[2].locator(".sae-arrows").inner_html()
    _, again = explorables(hash_of(tab))
    assert [readout(explorable) for explorable in again] == there
    for explorable, picture in zip(again, pictures):
        torch.testing.assert_close(pixels(explorable.locator("canvas")), picture, rtol=0, atol=0.01)
    assert again[2].locator(".sae-arrows").inner_html() == arrows


@pytest.mark.parametrize(
    "hash", ["#dial=99.1&board=1&toy=2", "#dial=0.2&board=0.41.0&toy=100.90.1", "#dial=&board=x.y.z&toy=0.90.0", "#board=0.0.0.3.99"]
)
def test_an_address_that_fits_nothing_changes_nothing(explorables, hash):
    _, found = explorables()
    start = [readout(explorable) for explorable in found]
    _, again = explorables(hash)
    there = [readout(explorable) for explorable in again]
    assert [there[0], there[2]] == [start[0], start[2]]
    assert "NaN" not in there[1] and "undefined" not in there[1]


# The dial.


def test_the_dial_rebuilds_digits_and_nonsense_as_python_does(saes, digits, published):
    held_out = digits[1]
    widget = Dial(saes, held_out, first=0, start=3)
    explorable = published(widget)
    numbers = torch.frombuffer(bytearray(widget.numbers), dtype=torch.float32)
    mean, pictures = numbers[:64], numbers[64 : 64 * 21].view(20, 64)
    slider = explorable.get_by_role("slider", name="Bricks allowed")
    for kind in (0, 7):
        explorable.get_by_role("radio").nth(kind).check()
        for at, k in enumerate(KS):
            slider.fill(str(at))
            both = pictures[[kind, 10 + kind]]
            codes = saes[k].encode(both).detach()
            copies = saes[k].decode(codes).detach()
            drawn = pixels(explorable.locator(".sae-station canvas")).view(4, 64)
            torch.testing.assert_close(drawn[[0, 2]], both, rtol=0, atol=CLOSE)
            # Bricks travel in 127ths: nothing that could be seen.
            torch.testing.assert_close(drawn[[1, 3]], copies.clamp(0, 1), rtol=0, atol=CLOSE + 0.01)
            own, other, digit_error, nonsense_error = map(int, re.findall(r"(\d+)%", readout(explorable)))
            for percent, x, copy in ((own, both[0], copies[0]), (other, both[1], copies[1])):
                assert abs(percent - shares(x, copy, mean)) < 0.7
            assert abs(digit_error - 100 * saelib.metrics.fvu(held_out.x, saes[k](held_out.x).detach())) < 0.51
            assert abs(nonsense_error - 100 * dict(widget.nonsense)[k]) < 0.51
            values, features = codes[0].topk(k)
            names = [f"brick {feature}, on at {value:.2f}" for feature, value in zip(features.tolist(), values.tolist()) if value > 0]
            assert labels(explorable.locator(".sae-pile .sae-brick")) == names
            assert slider.get_attribute("aria-valuetext") == f"{k} brick{'s' * (k > 1)}"


def test_the_point_moves_along_the_frontier(saes, digits, published):
    frontier = [(1, 0.9), (3, 0.5), (6, 0.3), (12, 0.0)]
    explorable = published(Dial(saes, digits[1], frontier, start=1))
    places = []
    for at, k in enumerate(KS):
        explorable.get_by_role("slider").fill(str(at))
        dot = explorable.locator("circle.sae-reconstruction")
        places.append((float(dot.get_attribute("cx")), float(dot.get_attribute("cy"))))
        assert f"Over all digits kept aside it is {round(100 * dict(frontier)[k])}%" in readout(explorable)
    # On a logarithmic axis, and the curve goes through each of them.
    assert (places[1][0] - places[0][0]) / (places[2][0] - places[0][0]) == pytest.approx(math.log(3) / math.log(12), abs=1e-3)
    assert places[0][1] < places[1][1] < places[2][1]
    curve = re.findall(r"([\d.]+) ([\d.]+)", explorable.locator("path.sae-reconstruction").get_attribute("d"))
    assert len(curve) == 4
    for place, point in zip(places, (curve[0], curve[1], curve[3])):
        assert place == pytest.approx(tuple(map(float, point)), abs=0.06)


# The switchboard.


def test_the_switchboard_decodes_what_is_on_as_python_does(saes, digits, published):
    sae, held_out = saes[3], digits[1]
    explorable = published(Switchboard(sae, held_out, first=4))
    x, mean = held_out.one_of_each().x[4], held_out.x.mean(dim=0)
    code = sae.encode(x[None]).detach()[0]
    every = sae.encode(held_out.x).detach()
    own = code.argsort(descending=True)[: int((code > 0).sum())].tolist()

    def decode(codes):
        return sae.decode(codes[None]).detach()[0]

    def expect_board(codes, last):
        copy, untouched = decode(codes), decode(code)
        drawn = pixels(explorable.locator(".sae-station canvas")).view(4, 64)
        strength = codes[last] if codes[last] > 0 else code[last]
        effect = (strength * sae.W_dec[last].detach() / FULL).clamp(-1, 1)
        wanted = torch.stack([x, untouched.clamp(0, 1), copy.clamp(0, 1), effect])
        torch.testing.assert_close(drawn, wanted, rtol=0, atol=CLOSE)
        named = [int(percent) for percent in re.findall(r"(\d+)%", readout(explorable))]
        expected = [shares(x, untouched, mean)] + [shares(x, copy, mean)] * (len(named) - 1)
        torch.testing.assert_close(torch.tensor(named).float(), torch.tensor(expected), rtol=0, atol=0.51)
        expect(explorable.locator(".sae-code .sae-name").first).to_have_text(f"#{last} alone")

    def lit():
        return explorable.locator(".sae-box .sae-on").evaluate_all("all => all.map((brick) => Number(brick.textContent.match(/#(\\d+)/)[1]))")

    # It begins without the brick that is missed most.
    costs = [shares(x, decode(code * (torch.arange(SIZE) != feature)), mean) for feature in own]
    gone = own[costs.index(max(costs))]
    expect_board(code * (torch.arange(SIZE) != gone), gone)
    assert sorted(lit()) == sorted(set(own) - {gone})
    toggle = explorable.get_by_role("checkbox", name=f"#{gone} on")
    expect(toggle).not_to_be_checked()
    toggle.check()
    expect_board(code, gone)
    assert readout(explorable).startswith(f"As the box writes this 4, with {len(own)} bricks")

    codes = code.clone()
    explorable.get_by_role("slider", name=f"Gain of #{own[1]}").fill("2.5")
    codes[own[1]] *= 2.5
    expect_board(codes, own[1])
    # A slider at zero is a switch that is off.
    explorable.get_by_role("slider", name=f"Gain of #{own[0]}").fill("0")
    expect(explorable.get_by_role("checkbox", name=f"#{own[0]} on")).not_to_be_checked()
    codes[own[0]] = 0
    expect_board(codes, own[0])

    spares = [feature for feature in range(SIZE) if feature not in own and (every[:, feature] > 0).any()][:2]
    for spare in spares:  # the second takes the place of the first
        explorable.get_by_role("radio", name=f"brick {spare}", exact=True).check()
        with_spare = codes.clone()
        with_spare[spare] = every[:, spare][every[:, spare] > 0].mean()
        expect_board(with_spare, spare)
        assert f"#{spare} added at 1.0×" in readout(explorable)
        assert explorable.locator(".sae-switch").count() == len(own) + 1
    explorable.get_by_role("slider", name=f"Gain of #{spares[1]}").fill("3")
    with_spare[spares[1]] *= 3
    expect_board(with_spare, spares[1])
    explorable.get_by_role("button").click()
    expect_board(code, own[0])
    assert sorted(lit()) == sorted(own)


def test_the_switchboard_says_where_ink_is_lost(digits, published):
    # Two bricks that can be read off: a bar at the left, and a dot at the bottom right.
    bar, dot = torch.zeros(8, 8), torch.zeros(8, 8)
    bar[2:6, 0], dot[7, 7] = 0.5, 1
    sae = saelib.SparseAutoencoder(64, 2, saelib.TopK(2))
    with torch.no_grad():
        sae.W_dec.copy_(torch.stack([bar.flatten(), dot.flatten()]))
        sae.W_enc.copy_(sae.W_dec.T)
    x = torch.stack([(2 * bar + dot).flatten(), (bar + 0.5 * dot).flatten()])
    explorable = published(Switchboard(sae, saelib.data.Pictures(x, torch.tensor([0, 1]))))
    assert readout(explorable).endswith("Ink is lost most at the left.")
    explorable.get_by_role("checkbox", name="#0 on").check()
    explorable.get_by_role("checkbox", name="#1 on").uncheck()
    assert readout(explorable).endswith("Ink is lost most at the bottom right.")
    explorable.get_by_role("radio", name="a 1", exact=True).check()
    explorable.get_by_role("slider", name="Gain of #1").fill("2")
    assert readout(explorable).endswith("Ink is added most at the bottom right.")
    explorable.get_by_role("slider", name="Gain of #1").fill("1.1")
    assert readout(explorable).endswith("The ink on the page hardly changes.")


def test_a_switchboard_of_cats_takes_an_ear_away_by_its_name(published):
    # A box that can be read off: of a right ear two shapes, of all other parts one, and two bricks more that no cat uses.
    cats = saelib.data.cartoon_cats(200, seed=3)
    head = saelib.data.cartoon_cats(1, present=0).images[0]
    picked = [(part, 0) for part in range(10)] + [(1, 1)]
    rows = [int(((cats.shapes[:, part] == shape) & (cats.places[:, part] == 0)).float().argmax()) for part, shape in picked]
    bricks = torch.stack([(cats.images[row] - head) * cats.masks[row, part].flatten() for row, (part, _) in zip(rows, picked)])
    sae = saelib.SparseAutoencoder(1024, 13, saelib.TopK(11))
    with torch.no_grad():
        sae.b_dec.copy_(head)
        sae.W_dec.copy_(torch.cat([torch.ones(2, 1024), bricks]))
        # Each brick listens to the pixels that no other brick has.
        sae.W_enc.copy_(torch.cat([torch.zeros(2, 1024), torch.linalg.pinv(bricks).T]).T)
        sae.b_enc.copy_(-head @ sae.W_enc - 0.3)
    names = {place + 2: cats.parts[part] for place, (part, _) in enumerate(picked)}
    whole = head + bricks[:10].sum(dim=0)
    x = torch.stack([whole, whole - bricks[0], head + bricks[10]])
    board = Switchboard(sae, saelib.data.Pictures(x, torch.arange(3)), shown=[0, 2], noun="cat", names=names, idle=False)
    explorable = published(board)
    code = sae.encode(x[:1]).detach()[0]
    assert (code > 0).tolist() == [False] * 2 + [True] * 10 + [False]

    def drawn():
        return pixels(explorable.locator(".sae-station canvas")).view(4, 1024)

    def expect_copy(codes):
        copy = sae.decode(codes[None]).detach()[0].clamp(0, 1)
        torch.testing.assert_close(drawn()[2], copy, rtol=0, atol=CLOSE)
        return copy

    assert explorable.locator(".sae-station .sae-name").first.inner_text() == "the cat"
    assert explorable.locator("legend").all_inner_texts() == ["Cat", "One brick more, from all 11 in the box"]
    explorable.get_by_role("button").click()
    assert readout(explorable).startswith("As the box writes this cat, with 10 bricks: an error of")
    before = expect_copy(code)
    explorable.get_by_role("checkbox", name="left ear on").uncheck()
    without = code.clone()
    without[2] = 0
    after = expect_copy(without)
    assert (before - after)[cats.masks[rows[0], 0].flatten()].abs().max() > 0.3
    torch.testing.assert_close(before[bricks[0] == 0], after[bricks[0] == 0])
    assert readout(explorable).startswith("With left ear off, the error of this cat goes from ")
    assert readout(explorable).endswith("Ink is lost most at the top left.")
    expect(explorable.locator(".sae-code .sae-name").first).to_have_text("left ear alone")
    # Another right ear: both have their number then.
    explorable.get_by_role("radio", name="brick 12, right ear", exact=True).check()
    assert "left ear off and right ear (#12) added at 1.0×" in readout(explorable)
    explorable.get_by_role("slider", name="Gain of right ear (#3)").fill("0.5")
    without[3] *= 0.5
    without[12] = sae.encode(x[2:]).detach()[0, 12]
    expect_copy(without)
    explorable.get_by_role("radio", name="cat 2", exact=True).check()
    expect(explorable.get_by_role("checkbox")).to_have_count(1)
    expect(explorable.get_by_role("checkbox", name="right ear on", exact=True)).to_be_checked()


# The toy model's numbers, which need no page.


@pytest.fixture
def toy(page):
    """A function that runs an expression with the toy model's functions in reach: toy("RECIPE.steps"), toy("...", argument)."""
    names = "startToy, drawExamples, slopes, adamStep, trainToy, measureToy, shapeOf, spread, randomFrom, RECIPE"
    source = javascript("explorables/toy_model.js") + f"\nexport {{ {names} }};"
    tab = page("about:blank").page

    def run(expression, argument=None):
        return tab.evaluate(
            f"""async ([source, given]) => {{
                const {{ {names} }} = await import(URL.createObjectURL(new Blob([source], {{ type: "text/javascript" }})));
                return ({expression});
            }}""",
            [source, argument],
        )

    return run


def torch_loss(W, b, x, share, importance):
    return (share * (importance * (x - torch.relu(x @ W.T @ W + b)).square()).sum(dim=1)).sum()


@pytest.mark.parametrize("seed", range(3))
def test_the_toy_model_has_the_loss_and_the_slopes_of_torch(toy, seed):
    generator = torch.Generator().manual_seed(seed)
    W, b, x = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((2, 5), (5,), (64, 5)))
    share, importance = (torch.rand(n, generator=generator, dtype=torch.float64) for n in (64, 5))
    W.requires_grad_(), b.requires_grad_()
    loss = torch_loss(W, b, x, share, importance)
    loss.backward()
    given = [tensor.detach().flatten().tolist() for tensor in (W, b, x, share, importance)]
    found = toy(
        """(() => {
            const [W, b, x, share, importance] = given.map((list) => Float64Array.from(list));
            const { loss, slope } = slopes({ W, b }, { x, share }, importance);
            return [loss, ...slope];
        })()""",
        given,
    )
    wanted = torch.cat([loss.detach().view(1), W.grad.flatten(), b.grad])
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), wanted, rtol=1e-9, atol=1e-9)


def test_the_toy_model_takes_adams_steps(toy):
    W, b = torch.linspace(-1, 1, 10, dtype=torch.float64).view(2, 5), torch.linspace(-0.5, 0.5, 5, dtype=torch.float64)
    slopes = torch.randn(20, 15, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights = torch.cat([W.flatten(), b]).requires_grad_()
    adam = torch.optim.Adam([weights], lr=0.05, betas=(0.9, 0.99), eps=1e-10)
    for slope in slopes:
        weights.grad = slope
        adam.step()
    found = toy(
        """(() => {
            const toy = { ...startToy(1, 5), W: Float64Array.from(given[0]), b: Float64Array.from(given[1]) };
            for (const slope of given[2]) adamStep(toy, Float64Array.from(slope), 0.05);
            return [...toy.W, ...toy.b];
        })()""",
        [W.flatten().tolist(), b.tolist(), slopes.tolist()],
    )
    torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), weights.detach(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("sparsity", [0, 0.3, 0.9, 0.99])
def test_the_toy_models_examples_are_what_they_are_said_to_be(toy, sparsity):
    x, share = toy("Object.values(drawExamples(randomFrom(5), 20000, 5, given)).map((list) => [...list])", sparsity)
    x, share = torch.tensor(x).view(-1, 5), torch.tensor(share)
    assert share.sum() == pytest.approx(1, abs=1e-4) and not x[0].any() and (x[1:] > 0).any(dim=1).all()
    there = 1 - sparsity
    mean, square = (share[:, None] * x).sum(dim=0), (share[:, None] * x.square()).sum(dim=0)
    torch.testing.assert_close(mean, torch.full((5,), there / 2), rtol=0.05, atol=0)
    torch.testing.assert_close(square, torch.full((5,), there / 3), rtol=0.06, atol=0)
    # They come and go independently of each other.
    both = (share * (x[:, 1] > 0) * (x[:, 3] > 0)).sum().item()
    assert both == pytest.approx(there**2, rel=0.35 if sparsity > 0.95 else 0.05)
    assert toy("spread(given, [1, 1])", sparsity) == pytest.approx(2 * (there / 3 - there**2 / 4))


@pytest.mark.parametrize("sparsity, decay, kept, angle", [(0, 0.9, 2, 90), (0.97, 0.9, 5, 72), (0.97, 1, 5, 72)])
def test_the_toy_model_finds_its_shapes_from_most_starts(toy, sparsity, decay, kept, angle):
    found = toy(
        """Array.from({ length: 10 }, (_, i) => {
            const toy = startToy(i + 1, 5);
            trainToy(toy, RECIPE.steps, { sparsity: given[0], importance: [0, 1, 2, 3, 4].map((i) => given[1] ** i) });
            return shapeOf(toy);
        })""",
        [sparsity, decay],
    )

    def good(shape):
        lengths = sorted(shape["lengths"])
        gaps = sorted(shape["gaps"])[: kept if kept > 2 else 1]  # two arrows have a second gap, on their other side
        alike = lengths[-1] / lengths[-kept] < 1.1 and lengths[-kept] > 0.9 and sum(lengths[:-kept]) < 0.15
        return len(shape["kept"]) == kept and alike and all(abs(gap - angle) < 8 for gap in gaps)

    assert sum(map(good, found)) >= 9


# Superposition, in its page.

STEP = re.compile(r"Step ([\d,]+) of 1,500")


def arrows(explorable) -> torch.Tensor:
    """(5, 2): where the drawn arrows point, with y upwards, in the plane's own unit."""
    tips = explorable.locator(".sae-arrows g path").evaluate_all(
        "all => all.map((path) => path.getAttribute('d').match(/-?[\\d.]+/g).slice(0, 2).map(Number))"
    )
    return torch.tensor(tips) * torch.tensor([1, -1]) * 1.45 / 100


def step(explorable) -> int:
    return int(STEP.match(readout(explorable))[1].replace(",", ""))


def test_superposition_shows_a_pentagon_before_it_is_touched(published):
    explorable = published(Superposition())
    assert re.fullmatch(
        r"With features absent 97% of the time, all 5 have an arrow, in a pentagon, \d+° to \d+° apart\. Error: \d+%\.", readout(explorable)
    )
    drawn = arrows(explorable)
    turns = torch.atan2(drawn[:, 1], drawn[:, 0]).rad2deg().sort().values
    gaps = torch.cat([turns.diff(), turns[:1] + 360 - turns[-1:]])
    assert (gaps - 72).abs().max() < 8 and drawn.norm(dim=1).min() > 1
    least, most = map(int, re.search(r"(\d+)° to (\d+)°", readout(explorable)).groups())
    assert (gaps.min().item(), gaps.max().item()) == pytest.approx((least, most), abs=0.6)
    assert explorable.locator(".sae-chips .sae-on").count() == 5


def test_superposition_says_what_each_feature_brings_back(published):
    explorable = published(Superposition())
    cells = explorable.locator(".sae-returned tr").evaluate_all(
        "all => all.slice(1).map((row) => [...row.cells].slice(1).map((cell) => cell.textContent))"
    )
    table = torch.tensor([list(map(number, row)) for row in cells])
    drawn = arrows(explorable)
    assert (table[:5] - drawn @ drawn.T).abs().max() < 0.06  # W'W, to the one decimal that is shown
    assert (table[5] + 0.25).abs().max() < 0.15  # the constants, all near minus a quarter
    blue = explorable.locator(".sae-returned .sae-less").count()
    assert blue == (table < 0).sum()
    explorable.get_by_role("slider", name="Sparsity").fill("0")
    expect(explorable.locator(BUSY)).to_have_count(0)
    assert float(explorable.locator(".sae-returned th + td ~ td").nth(4).text_content()) == pytest.approx(1, abs=0.11)  # of 2, to 2


def test_superposition_trains_when_the_slider_is_let_go(published):
    explorable = published(Superposition())
    explorable.get_by_role("slider", name="Sparsity").fill("0")
    assert step(explorable) < 200
    assert arrows(explorable).norm(dim=1).max() < 1
    expect(explorable.locator(BUSY)).to_have_count(0)
    assert readout(explorable).startswith("With features always there, 2 of the 5 have an arrow, 9")
    drawn = arrows(explorable)
    assert (drawn.norm(dim=1)[:2] - 1).abs().max() < 0.1 and drawn.norm(dim=1)[2:].max() < 0.1
    assert (drawn[0] @ drawn[1]).abs() < 0.1
    # The error falls, and what is drawn of it ends where the training ends.
    points = re.findall(r"([\d.]+) (-?[\d.]+)", explorable.locator("path.sae-error").get_attribute("d"))
    heights = [float(y) for _, y in points]
    assert len(points) == 75 and heights[-1] > heights[0]


def test_superposition_follows_the_hand_while_it_drags(published):
    explorable = published(Superposition())
    slider, mouse = explorable.get_by_role("slider", name="Sparsity"), explorable.page.mouse
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    mouse.move(box["x"] + 0.97 * box["width"], box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + 2, box["y"] + box["height"] / 2, steps=5)
    assert "Step" not in readout(explorable)
    before = arrows(explorable)
    assert before.norm(dim=1).max() > 0.9  # it did not start over
    expect(explorable.locator(".sae-chips .sae-on")).to_have_count(2)
    mouse.up()
    assert step(explorable) < 200
    expect(explorable.locator(BUSY)).to_have_count(0)


def test_superposition_can_be_halted_and_started_anew(published):
    explorable = published(Superposition())
    tab = explorable.page
    explorable.get_by_role("button", name="Train again").click()
    explorable.get_by_role("button", name="Pause").click()
    halted = step(explorable)
    tab.evaluate("new Promise((then) => setTimeout(then, 150))")
    assert step(explorable) == halted
    explorable.get_by_role("button", name="Go on").click()
    expect(explorable.locator(BUSY)).to_have_count(0)
    first = arrows(explorable)
    explorable.get_by_role("button", name="Another start").click()
    expect(explorable.locator(BUSY)).to_have_count(0)
    assert (arrows(explorable) - first).abs().max() > 0.1


def test_superposition_rests_where_nobody_sees_it(published):
    explorable = published(Superposition())
    tab = explorable.page
    tab.evaluate("document.body.style.paddingBottom = '3000px'")
    explorable.get_by_role("button", name="Train again").click()
    tab.evaluate("scrollTo(0, 2500)")
    tab.evaluate("new Promise((then) => setTimeout(then, 150))")
    there = step(explorable)
    tab.evaluate("new Promise((then) => setTimeout(then, 200))")
    assert step(explorable) == there < 1500
    tab.evaluate("scrollTo(0, 0)")
    expect(explorable.locator(BUSY)).to_have_count(0)


def test_superposition_does_not_move_for_those_who_want_no_motion(explorables):
    tab, (*_, explorable) = explorables(reduced_motion="reduce")
    before = arrows(explorable)
    explorable.get_by_role("slider", name="Sparsity").fill("0")
    tab.evaluate("new Promise((then) => setTimeout(then, 100))")
    assert torch.equal(arrows(explorable), before)
    assert readout(explorable).startswith("These arrows were trained for other features.")
    explorable.get_by_role("button", name="Train again").click()
    assert readout(explorable).startswith("With features always there, 2 of the 5 have an arrow")
