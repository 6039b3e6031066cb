"""One brick, one price, and turn the plane: what all explorables promise, and their numbers against Python's."""

import math
import re

import pytest
import saelib
import torch
from explorables import CLOSE, number, pixels, readout, shares
from pages import Finger, visit
from playwright.sync_api import expect
from promises import *  # noqa: F403
from promises import test_they_fit_the_window_and_bar_nobody  # noqa: F401
from saelib.widgets import OnePrice, SecretMessage, TurnThePlane


@pytest.fixture(scope="module")
def components(digits):
    x = digits[0].x
    return torch.linalg.svd(x - x.mean(dim=0), full_matrices=False).Vh[:2]


@pytest.fixture(scope="module")
def plane(components, digits):
    return lambda **options: TurnThePlane(components, digits[0].x.mean(dim=0), digits[1], **options)


@pytest.fixture(scope="module")
def address(plane, served):
    """Where a page with both stands."""
    return served(OnePrice(), plane())


def test_the_address_brings_back_what_was_seen(explorables):
    tab, found = explorables()
    before = [readout(explorable) for explorable in found]
    found[0].get_by_role("slider").fill("135")
    found[1].get_by_role("slider").fill("-77")
    found[1].get_by_role("radio").nth(6).check()
    there = [readout(explorable) for explorable in found]
    assert all(words != old for words, old in zip(there, before))
    tab.wait_for_function("location.hash === '#price=135&turn=6.103'")
    _, again = explorables("#price=135&turn=6.103")
    assert [readout(explorable) for explorable in again] == there
    for explorable, old in zip(again, found):
        assert torch.equal(pixels(explorable.locator("canvas")), pixels(old.locator("canvas")))
    # The sliders stand where the words say.
    assert [explorable.get_by_role("slider").input_value() for explorable in again] == ["135", "-77"]


@pytest.mark.parametrize("hash", ["#price=251&turn=10.0", "#price=-5&turn=0.361", "#price=x&turn=1", "#price=1.2&turn=0.-3"])
def test_an_address_that_fits_nothing_changes_nothing(explorables, hash):
    _, found = explorables()
    start = [readout(explorable) for explorable in found]
    _, again = explorables(hash)
    assert [readout(explorable) for explorable in again] == start


def test_a_tap_right_after_a_flick_is_not_lost(new_tab, plane, digits, served):
    address = served(plane(), SecretMessage(saelib.Autoencoder(64, 2), digits[1]))
    tab = visit(new_tab(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True), address)
    finger = Finger(tab)
    for explorable in tab.locator("section.sae-explorable").all():
        for surface in explorable.locator("svg.sae-plane, canvas.sae-pad").all():
            choice = explorable.get_by_role("radio").nth(4)
            expect(choice).not_to_be_checked()
            surface.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
            box = surface.bounding_box()
            finger.down(box["x"] + 0.2 * box["width"], box["y"] + 0.2 * box["height"])
            finger.move(box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"])
            finger.up()
            choice.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
            box = choice.bounding_box()
            finger.tap(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
            expect(choice).to_be_checked()
            explorable.get_by_role("radio").first.check()


def numbers(words: str) -> list[float]:
    return [number(text) for text in re.findall(r"−?\d+\.\d+", words)]


def points(path) -> torch.Tensor:
    """(n, 2): the points of a drawn line, with what the chart puts at its corners as 0 and 1, x first."""
    found = re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get_attribute("d"))
    return torch.tensor([[float(x) / 272, 1 - float(y) / 150] for x, y in found])


def place(dot) -> torch.Tensor:
    return torch.tensor([float(dot.get_attribute("cx")) / 272, 1 - float(dot.get_attribute("cy")) / 150])


# One brick, one price.


@pytest.mark.parametrize("price", [0, 0.05, 0.8, 0.95, 1.05, 1.6, 2, 2.5])
def test_each_rule_draws_the_brick_where_error_and_price_are_least_together(published, price):
    explorable = published(OnePrice(price))
    strength = torch.linspace(0, 1.2, 1201, dtype=torch.float64)
    prices = {"L1": price * strength, "JumpReLU": price * (strength > 0)}
    needed, *drawn = pixels(explorable.locator("canvas")).view(3, 64)
    for i, (name, paid) in enumerate(prices.items()):
        cost = (1 - strength).square() + paid
        best = cost.argmin()
        words = re.search(rf"{name} (?:draws it at \d\.\d\d|(leaves it out)): [^L]*", readout(explorable) + " ")
        wanted = [(1 - strength[best].item()) ** 2, paid[best].item(), cost[best].item()]
        if best == 0:
            assert words[1]
        else:
            wanted.insert(0, strength[best].item())
        assert numbers(words[0]) == pytest.approx(wanted, abs=0.0051)
        assert explorable.locator(".sae-reconstruction .sae-name").nth(i).inner_text() == words[0].partition(":")[0]
        torch.testing.assert_close(drawn[i], needed * strength[best].float(), rtol=0, atol=2 * CLOSE)


def test_where_both_cost_the_same_neither_is_called_the_better(published):
    explorable = published(OnePrice(1))
    assert "JumpReLU draws it at 1.00 or leaves it out, which comes to the same: 1.00." in readout(explorable)
    assert [place(dot).tolist() for dot in explorable.locator("circle.sae-reconstruction").all()[2:]] == [
        pytest.approx([1 / 1.2, 1 / 2.5]),
        pytest.approx([0, 1 / 2.5]),
    ]


def test_the_curves_are_the_costs_and_the_point_is_the_lowest_of_their_sum(published):
    explorable = published(OnePrice())
    slider = explorable.get_by_role("slider", name="Price")
    for step in (35, 130):
        slider.fill(str(step))
        assert slider.get_attribute("aria-valuetext") == f"{step / 100:.2f}"
        for i, chart in enumerate(explorable.locator("svg.sae-chart").all()):
            error, paid, cost = (points(chart.locator(f"path.sae-line.{role}")) for role in ("sae-error", "sae-code", "sae-sum"))
            strength = 1.2 * error[:, 0]
            torch.testing.assert_close(2.5 * error[:, 1], (1 - strength).square(), rtol=0, atol=0.005)
            torch.testing.assert_close(2.5 * paid[:, 1], step / 100 * (torch.ones(121) if i else strength), rtol=0, atol=0.005)
            torch.testing.assert_close(cost[:, 1], error[:, 1] + paid[:, 1], rtol=0, atol=0.002)
            dot = place(chart.locator("circle.sae-reconstruction").first)
            # Out at the jump, where the curve does not reach, the cost is the whole error.
            lowest = torch.tensor([0, 1 / 2.5]) if i and step > 100 else cost[cost[:, 1].argmin()]
            # The curve is flat down there, and drawn to a tenth of a unit.
            torch.testing.assert_close(dot[:1], lowest[:1], rtol=0, atol=0.03)
            torch.testing.assert_close(dot[1:], lowest[1:], rtol=0, atol=0.001)
            assert chart.get_attribute("aria-label").endswith(re.search(rf"{('L1', 'JumpReLU')[i]} .*?\d\.(?= |$)", readout(explorable))[0])


def test_a_jump_has_an_open_and_a_filled_end(published):
    explorable = published(OnePrice(0.6))
    bits, being_on = explorable.locator("svg.sae-chart").all()
    expect(bits.locator("circle.sae-open:visible")).to_have_count(0)
    heights = [2.5 * place(dot)[1].item() for dot in being_on.locator("circle.sae-open").all()]
    assert heights == pytest.approx([0.6, 1.6])
    assert [2.5 * place(dot)[1].item() for dot in being_on.locator("circle.sae-point:not(.sae-reconstruction)").all()] == pytest.approx([0, 1])


# Turn the plane.


def turned(codes: torch.Tensor, angle: float) -> torch.Tensor:
    turn = torch.polar(torch.ones(()), torch.tensor(math.radians(angle)))
    return torch.view_as_real(torch.view_as_complex(codes.contiguous()) * turn)


ERRORS = re.compile(r"copy: (\d+)%; of all 297 copies: (\d+)%, as")


def expect_turned(explorable, codes, components, mean, held_out, place, angle) -> None:
    """Messages, bricks, copy and errors are those that Python has for this angle."""
    x = held_out.x
    message, bricks = turned(codes, angle), turned(components.T, angle).T
    copies = message @ bricks + mean
    torch.testing.assert_close(copies, codes @ components + mean, rtol=0, atol=1e-5)
    *sent, sizes, least = numbers(readout(explorable))
    assert sent == pytest.approx(message[place].tolist(), abs=0.0051)
    assert sizes == pytest.approx(message.abs().sum(dim=1).mean().item(), abs=0.0051)
    at = number(re.search(r"at (−?\d+)°\.$", readout(explorable))[1])
    every = {degrees: turned(codes, degrees).abs().sum(dim=1).mean().item() for degrees in range(-45, 45)}
    assert least == pytest.approx(min(every.values()), abs=0.0051) and every[at] == pytest.approx(least, abs=0.0051)
    own, all_of_them = map(int, ERRORS.search(readout(explorable)).groups())
    assert abs(own - shares(x[place], copies[place], x.mean(dim=0))) < 0.51
    assert abs(all_of_them - 100 * saelib.metrics.fvu(x, copies)) < 0.51
    drawn = pixels(explorable.locator(".sae-station canvas")).view(5, 64)
    ink = torch.stack([x[place], copies[place], mean]).clamp(0, 1)
    torch.testing.assert_close(drawn, torch.cat([ink, bricks / components.norm(dim=0).max()]), rtol=0, atol=CLOSE)
    names = explorable.locator(".sae-station.sae-code .sae-name").all_inner_texts()
    assert [numbers(name)[0] for name in names] == pytest.approx(sent, abs=0.0551)


def test_messages_bricks_copies_and_errors_are_those_of_python(published, plane, components, digits):
    held_out, mean = digits[1], digits[0].x.mean(dim=0)
    widget = plane(angle=0)
    explorable = published(widget)
    codes = (held_out.x - mean) @ components.T
    assert readout(explorable).startswith("Not turned, this 0 is sent as ")
    for kind in (0, 7):
        explorable.get_by_role("radio").nth(kind).check()
        for angle in (0, 33, 180, -90):
            explorable.get_by_role("slider", name="Turn by").fill(str(angle))
            expect_turned(explorable, codes, components, mean, held_out, widget.samples[kind], angle)


def test_a_linear_autoencoder_can_be_turned_too(published, digits):
    linear, held_out = saelib.Autoencoder(64, 2), digits[1]
    saelib.train(linear, digits[0].x, steps=60, batch_size=256, lr=3e-2, seed=0, progress=False)
    half, codes = linear.decoder[0], linear.encode(held_out.x).detach()
    widget = TurnThePlane(half.weight.T, half.bias, held_out, codes=codes, angle=71)
    explorable = published(widget)
    expect_turned(explorable, codes, half.weight.T.detach(), half.bias.detach(), held_out, widget.samples[0], 71)
    assert abs(int(ERRORS.search(readout(explorable))[2]) - 100 * saelib.metrics.fvu(held_out.x, linear(held_out.x).detach())) < 0.51


def test_the_copy_stays_to_the_pixel_while_message_and_bricks_change(published, plane):
    explorable = published(plane(angle=-180))
    seen = []
    for angle in range(-180, 181, 24):
        explorable.get_by_role("slider").fill(str(angle))
        _, copy, _, *bricks = pixels(explorable.locator(".sae-station canvas")).view(5, 64)
        seen.append((copy, torch.stack(bricks), numbers(readout(explorable))[:2], ERRORS.search(readout(explorable))[0]))
    for one, other in zip(seen, seen[1:]):
        assert torch.equal(one[0], other[0]) and one[3] == other[3]
        assert (one[1] - other[1]).abs().max() > 0.1 and one[2] != other[2]


def test_the_hand_turns_the_plane_and_all_that_lies_on_it(published, plane, components, digits):
    explorable = published(plane(angle=10))
    mouse, surface = explorable.page.mouse, explorable.locator("svg.sae-plane")

    def numerals():
        places = "all => all.map((one) => [one.getAttribute('x'), one.getAttribute('y')].map(Number))"
        return torch.tensor(surface.locator("text").evaluate_all(places))

    assert surface.locator("text").all_text_contents() == [str(label) for label in digits[1].label[:200].tolist()]
    surface.scroll_into_view_if_needed()
    box = surface.bounding_box()
    x, y, far = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, 0.4 * box["width"]
    mouse.move(x + far, y)
    mouse.down()
    codes = (digits[1].x - digits[0].x.mean(dim=0)) @ components.T
    for way, wanted in [((0, -1), 100), ((-1, 0), -170), ((0, 1), -80), ((1, 0), 10), ((0, -1), 100)]:
        mouse.move(x + far * way[0], y + far * way[1])
        angle = int(explorable.get_by_role("slider").input_value())
        assert angle == pytest.approx(wanted, abs=1)  # a mouse has whole pixels only
        assert readout(explorable).startswith(f"Turned by {angle}°, ".replace("-", "−"))
        where = turned(codes, angle)[:200] * 47 / codes.norm(dim=1).max()
        torch.testing.assert_close(numerals(), where * torch.tensor([1, -1]), rtol=0, atol=0.011)
    mouse.up()
    mouse.move(x + far, y)
    assert explorable.get_by_role("slider").input_value() == str(angle)


def test_the_error_is_flat_over_the_angle_and_the_sum_of_sizes_is_not(published, plane, components, digits):
    explorable = published(plane())
    codes = (digits[1].x - digits[0].x.mean(dim=0)) @ components.T
    low = int(re.search(r"from (\d+)% on", explorable.locator(".sae-halves").inner_text())[1]) / 100
    high = 1 + 0.15 * (1 - low)

    def curve(role):
        return low + (high - low) * points(explorable.locator(f"path.sae-line.{role}").first)[:, 1]

    error, sizes = curve("sae-error"), curve("sae-code")
    torch.testing.assert_close(error, torch.ones(9), rtol=0, atol=0.001)
    wanted = torch.stack([turned(codes, angle).abs().sum(dim=1).mean() for angle in range(-180, 181)])
    torch.testing.assert_close(sizes, wanted / wanted.max(), rtol=0, atol=0.001)
    assert low < sizes.min() < 0.99
    for angle in (-180, -64, 118):
        explorable.get_by_role("slider").fill(str(angle))
        dots = [place(explorable.locator(f"circle.sae-point.{role}")) for role in ("sae-error", "sae-code")]
        for dot, height in zip(dots, (1, (wanted[angle + 180] / wanted.max()).item())):
            assert dot.tolist() == pytest.approx([(angle + 180) / 360, (height - low) / (high - low)], abs=0.002)
