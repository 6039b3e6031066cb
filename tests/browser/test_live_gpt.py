"""Inside a GPT, live: what it shows against PyTorch on the same 8-bit weights, what a reader can do with it, and what may go wrong."""

import json
import re

import pytest
import saelib
import torch
from explorables import readout
from pages import PHONE, WIDE, Finger, barriers, fits, hash_of, visit
from playwright.sync_api import expect
from saelib import language
from saelib.gpt import SHIPPED
from saelib.interpret import FeatureCard, swap_vectors
from saelib.widgets import LiveGPT
from saelib.widgets.explorables.live_weights import pack_gpt, pack_sae
from safetensors.torch import load

CAT = "class Cat:\n    def __init__(self, name):\n        self.name ="
SHOP = "class Shop:\n    pass\n\n\n"
TRY = "def f():\n    try:\n        pass\n    try"


@pytest.fixture(scope="module")
def gpt(tmp_path_factory):
    """The book's GPT as it travels: in 8 bits."""
    file = tmp_path_factory.mktemp("weights") / "gpt.safetensors"
    file.write_bytes(pack_gpt(saelib.load_gpt()))
    return saelib.load_gpt(file).requires_grad_(False)


@pytest.fixture(scope="module")
def tokenizer():
    return saelib.load_tokenizer()


@pytest.fixture(scope="module")
def vocabulary(tokenizer):
    return [tokenizer.decode([token], skip_special_tokens=False) for token in range(2_048)]


@pytest.fixture(scope="module")
def sae():
    """The book's box as it travels: in 8 bits, too."""
    box = saelib.load(SHIPPED / "sae").requires_grad_(False)
    packed = load(pack_sae(box, 2))
    for name, weight in (("W_enc", box.W_enc.T), ("W_dec", box.W_dec)):
        weight.copy_(packed[name].float() * packed[f"{name}.scale"])
    return box


def card(feature, label, f1, maximum):
    return FeatureCard(feature, label, f1, f1, f1, 0.9, 1.0, 0.01, torch.ones(4), maximum, [], [], None, [])


CARDS = [card(585, "keyword try, except or finally", 0.61, 20.0), card(494, "keyword else", 0.4, 18.0), card(3, None, 0.0, 7.0)]
YOUNGER = (50, 200, 1_000)


@pytest.fixture(scope="module")
def address(served, tokenizer, sae):
    whole = saelib.load_gpt()
    return served(LiveGPT(
        whole, tokenizer, saelib.load(SHIPPED / "sae"), cards=CARDS, told=0.6, cards_here=True, text=CAT, address="try", examples={"for": "for line in", "cat": CAT},
        younger={step: saelib.load_gpt(SHIPPED / f"gpt-{step}.safetensors") for step in YOUNGER}, step=5_000,
    ))  # fmt: skip


@pytest.fixture
def live(new_tab, address):
    """A function that opens it, and gives it when it has answered."""

    def live(hash="", **options):
        tab = visit(new_tab(**{**WIDE, **options}), address + hash)
        return answered(tab.locator("section.sae-live"))

    return live


def answered(section):
    """The explorable, once it has answered all that it was asked."""
    expect(section.locator(".sae-strip [role=option]").first).to_be_visible(timeout=30_000)
    section.page.wait_for_function("document.querySelector('.sae-live')?.getAttribute('aria-busy') === 'false'", timeout=30_000)
    return section


def field(section):
    return section.get_by_role("textbox", name="Your text")


def type_in(section, text):
    field(section).fill(text)
    return answered(section)


def tokens(section):
    return section.locator(".sae-strip [role=option]")


def frame(section, place):
    tokens(section).nth(place).click()
    return answered(section)


def lists(section):
    """The guesses that are shown: for each list that is there, its words and what stands beside them."""
    return section.evaluate("""section => [...section.querySelectorAll(".sae-guesses")].filter((list) => !list.closest("[hidden]")).map((list) =>
        [...list.querySelectorAll("li:not([hidden])")].map((row) => [row.querySelector("code").textContent, row.querySelector(".sae-number").textContent]))""")


def as_input(tokenizer, text):
    return torch.tensor([[0, *tokenizer.encode(text).ids]])


def shown(share):
    if share < 0.001:
        return "<0.1%"
    return ">99.9%" if share > 0.999 else f"{100 * share:.1f}%" if share < 0.0995 or share >= 0.995 else f"{100 * share:.0f}%"


def close(text, share):
    """Whether what is shown is that probability, but for the last digit."""
    if not re.fullmatch(r"[\d.]+%", text):
        return text == shown(share) or abs(share - (0.001 if "<" in text else 0.999)) < 2e-4
    return abs(float(text[:-1]) - 100 * share) < (0.12 if "." in text else 1.02)


def assert_guesses(list_, logits, vocabulary):
    share, token = logits.softmax(dim=-1).topk(10)
    assert len(list_) == 10
    for (_, text), value in zip(list_, share.tolist()):
        assert close(text, value), (text, value)
    first = vocabulary[token[0]].strip()
    assert not first or list_[0][0].lstrip("·") == first


@pytest.mark.parametrize("text", [CAT, SHOP + "def", "# Grüße 🐈 an euch\n", ""])
def test_the_guesses_are_those_of_pytorch_on_the_same_weights(live, gpt, tokenizer, vocabulary, text):
    section = type_in(live(), text)
    assert_guesses(lists(section)[0], gpt(as_input(tokenizer, text))[0, -1], vocabulary)
    assert tokens(section).count() == 1 + len(tokenizer.encode(text).ids)


def test_each_token_is_shaded_by_its_surprise_and_the_last_is_framed(live, gpt, tokenizer):
    section = live()
    read = as_input(tokenizer, CAT)
    bits = -gpt(read)[0, :-1].log_softmax(dim=1).gather(1, read[0, 1:, None]).ravel() / torch.log(torch.tensor(2.0))
    said = tokens(section).evaluate_all("all => all.map((one) => one.title)")[1:]
    for words, value in zip(said, bits.tolist()):
        assert abs(float(re.search(r": ([\d.]+) bits$", words)[1]) - value) < 0.06, words
    shade = tokens(section).evaluate_all("all => all.map((one) => Number(one.style.getPropertyValue('--share')))")[1:]
    assert torch.allclose(torch.tensor(shade), (bits / 12).clamp(max=1), atol=0.01)
    assert tokens(section).last.get_attribute("aria-selected") == "true"


def test_pressing_a_token_frames_it_and_asks_what_comes_after_it(live, gpt, tokenizer, vocabulary):
    section = frame(live(), 4)
    assert_guesses(lists(section)[0], gpt(as_input(tokenizer, CAT))[0, 4], vocabulary)
    tokens(section).nth(4).locator("xpath=..").focus()
    section.page.keyboard.press("ArrowRight")
    answered(section)
    assert_guesses(lists(section)[0], gpt(as_input(tokenizer, CAT))[0, 5], vocabulary)
    # Whoever types looks at the end again.
    type_in(section, CAT + " n")
    assert tokens(section).last.get_attribute("aria-selected") == "true"


def test_the_readout_says_the_first_guesses_and_what_the_token_cost(live):
    section = live()
    assert re.match(r"After “=” the GPT expects “name” with 9\d(\.\d)?%, then “", readout(section))
    assert readout(section).endswith("“=” itself cost less than 0.05 bits. The text cost it 2.8 bits a token.")


def bricks(section):
    """The bricks that are listed: their numbers and strengths."""
    section.locator(".sae-board .sae-fold").evaluate_all(
        "all => all.filter((button) => !button.hidden && button.ariaExpanded === 'false').forEach((button) => button.click())"
    )
    named = section.locator(".sae-on-here .sae-brick").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    return [(int(number), float(strength)) for number, strength in (re.fullmatch(r"brick (\d+), on at ([\d.]+)", name).groups() for name in named)]


def test_the_bricks_that_are_on_are_those_that_python_finds(live, gpt, tokenizer, sae):
    text = "def load(path):\n    try:\n        return open(path)"
    section = type_in(live(), text)
    stream = saelib.activations(gpt, "blocks.2", [as_input(tokenizer, text)])
    codes = sae.encode(stream)
    for place in (6, 9, len(stream) - 1):
        found = bricks(frame(section, place))
        expected = codes[place].nonzero().ravel().tolist()
        near = {feature for feature in expected if abs(codes[place, feature] - sae.sparsity.threshold) < 2e-3}
        assert set(expected) - near <= {number for number, _ in found} <= set(expected) | near
        assert [strength for _, strength in found] == sorted((strength for _, strength in found), reverse=True)
        for number, strength in found:
            assert abs(strength - codes[place, number].item()) < 0.011


def test_a_brick_says_its_label_its_grade_and_where_its_card_is(live):
    section = type_in(live(), TRY)
    row = section.locator(".sae-on-here li").filter(has=section.page.get_by_label(re.compile("^brick 585,")))
    expect(row).to_contain_text("keyword try, except or finally")
    expect(row).to_contain_text("F1 0.61")
    expect(row.get_by_role("link", name="card of brick 585")).to_have_attribute("href", "#feature=585")
    row.get_by_role("button", name="Shade the text by brick 585").click()
    answered(section)
    said = tokens(section).evaluate_all("all => all.map((one) => one.title)")
    assert "brick 585 on at" in said[-1] and sum("on at" in words for words in said) < len(said) / 2
    section.get_by_role("button", name="Shade by surprise").click()
    assert "bits" in tokens(section).last.get_attribute("title")


def turn_slider(section, name, value):
    section.get_by_role("slider", name=name).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input', { bubbles: true })); input.dispatchEvent(new Event('change', { bubbles: true })); }",
        str(value),
    )
    return answered(section)


@pytest.mark.parametrize("gain", [0, 2.5])
def test_a_turned_brick_changes_the_guesses_as_in_python(live, gpt, tokenizer, sae, vocabulary, gain):
    section = type_in(live(), TRY)
    section.get_by_role("button", name="Turn brick 585", exact=True).click()
    answered(section)
    turn_slider(section, re.compile("^#585"), gain)
    plain, edited = lists(section)
    assert_guesses(plain, gpt(as_input(tokenizer, TRY))[0, -1], vocabulary)
    with saelib.changed(gpt, "blocks.2", language.turn(sae, 585, gain)):
        assert_guesses(edited, gpt(as_input(tokenizer, TRY))[0, -1], vocabulary)
    section.get_by_role("button", name="Put brick 585 back").click()
    answered(section)
    assert len(lists(section)) == 1


def test_a_swap_at_the_framed_token_is_that_of_the_chapter(served, new_tab, gpt, tokenizer, sae, vocabulary):
    codes = {word: sae.encode(saelib.activations(gpt, "blocks.2", [as_input(tokenizer, SHOP + word)])[-1:]) for word in ("def", "class")}
    brick = {word: int(each.argmax()) for word, each in codes.items()}
    strength = codes["class"][0, brick["class"]]
    widget = LiveGPT(
        saelib.load_gpt(),
        tokenizer,
        saelib.load(SHIPPED / "sae"),
        text=SHOP + "def",
        gains={brick["def"]: 0.0},
        puts={brick["class"]: strength.item()},
        here=True,
    )
    section = answered(visit(new_tab(**WIDE), served(widget)).locator("section.sae-live"))
    with saelib.changed(gpt, "blocks.2", language.push(swap_vectors(sae, codes["def"], brick["def"], strength * sae.W_dec[brick["class"]]))):
        assert_guesses(lists(section)[1], gpt(as_input(tokenizer, SHOP + "def"))[0, -1], vocabulary)


def test_what_it_opened_with_is_turned_for_its_own_text_only(served, new_tab, tokenizer, sae):
    widget = LiveGPT(
        saelib.load_gpt(), tokenizer, saelib.load(SHIPPED / "sae"), text=SHOP + "def", puts={335: 18.0}, here=True, examples={"def": SHOP + "def"}
    )
    section = answered(visit(new_tab(**WIDE), served(widget)).locator("section.sae-live"))
    assert len(lists(section)) == 2
    type_in(section, "x =")
    assert len(lists(section)) == 1
    section.get_by_role("button", name="Example: def").click()
    answered(section)
    assert len(lists(section)) == 2
    turn_slider(section, re.compile("^#335"), 4)
    type_in(section, "x =")
    assert len(lists(section)) == 2


def without_head(gpt, block, head):
    size = gpt.settings["d_model"] // gpt.settings["n_heads"]

    def silence(module, inputs):
        quiet = inputs[0].clone()
        quiet[..., head * size : (head + 1) * size] = 0
        return (quiet,)

    return gpt.blocks[block].attention.write.register_forward_pre_hook(silence)


def test_heads_say_where_they_look_and_a_head_can_be_switched_off(live, gpt, tokenizer, vocabulary):
    section = live()
    # What is left without a head would give the answer away to those who have chosen none.
    expect(section.locator(".sae-heads")).not_to_contain_text("without")
    section.get_by_role("radio", name=re.compile("^block 0, head 0: ")).check(force=True)
    answered(section)
    read = as_input(tokenizer, CAT)
    stream = gpt.embed(read)
    likeliest = gpt(read)[0, -1].argmax()
    for block, part in enumerate(gpt.blocks):
        looks = part.attention.looks(part.norm_1(stream))[0, :, -1]
        stream = part(stream)
        for head in range(5):
            said = section.get_by_role("radio", name=re.compile(f"^block {block}, head {head}: ")).get_attribute("aria-label")
            assert abs(int(re.search(r"attention (\d+)%", said)[1]) - 100 * looks[head].max().item()) < 0.6
            hook = without_head(gpt, block, head)
            assert close(re.search(r"would have (.+)$", said)[1], gpt(read)[0, -1].softmax(dim=0)[likeliest].item()), said
            hook.remove()
    section.get_by_role("radio", name=re.compile("^block 1, head 2: ")).check(force=True)
    section.get_by_role("button", name="Switch block 1, head 2 off").click()
    answered(section)
    hook = without_head(gpt, 1, 2)
    assert_guesses(lists(section)[1], gpt(read)[0, -1], vocabulary)
    hook.remove()
    expect(section.get_by_role("radio", name="block 1, head 2 is switched off")).to_be_checked()
    section.get_by_role("button", name="All heads on").click()
    answered(section)
    assert len(lists(section)) == 1


def test_the_stream_is_read_after_each_block(live, gpt, tokenizer, vocabulary):
    section = live()
    stream = gpt.embed(as_input(tokenizer, CAT))
    rows = section.locator(".sae-lens tr").all()
    for row, block in zip(rows, [None, *gpt.blocks], strict=True):
        stream = stream if block is None else block(stream)
        share, token = gpt.unembed(gpt.norm(stream))[0, -1].softmax(dim=0).topk(3)
        cells = row.locator("td").all_inner_texts()
        for cell, value, each in zip(cells, share.tolist(), token.tolist(), strict=True):
            word, text = cell.rsplit(maxsplit=1)
            assert close(text, value) and (not vocabulary[each].strip() or word == vocabulary[each].strip())


def sheets(section):
    return {one.get_attribute("aria-label"): one.locator(".sae-page").inner_text() for one in section.locator(".sae-sheets > section").all()}


def wait_for_sheets(section):
    expect(section.get_by_role("button", name="Let it write")).to_be_visible(timeout=60_000)
    return sheets(section)


def test_it_writes_the_likeliest_at_temperature_zero(live, gpt, tokenizer):
    section = type_in(live(), "import os\nimport")
    turn_slider(section, "Temperature", 0)
    section.get_by_role("button", name="Let it write").click()
    written = wait_for_sheets(section)
    assert [*written] == ["As it is"]
    ids = as_input(tokenizer, "import os\nimport")[0].tolist()
    for _ in range(12):
        ids.append(int(gpt(torch.tensor([ids]))[0, -1].argmax()))
    expected = tokenizer.decode(ids[1:], skip_special_tokens=False).removeprefix("import os\nimport")
    assert "".join(written["As it is"].replace("⏎", "").split()).startswith("".join(expected.split())[:20])


def test_three_columns_are_written_from_the_same_lots_and_can_be_gone_on_from(live):
    section = type_in(live(), TRY)
    section.get_by_role("button", name="Turn brick 585", exact=True).click()
    answered(section)
    section.get_by_role("button", name="Let it write").click()
    first = wait_for_sheets(section)
    assert [*first] == ["As it is", "With what you turned", "The control"]
    assert all(len(text) > 20 for text in first.values())
    section.get_by_role("button", name="Let it write").click()
    assert wait_for_sheets(section) == first
    section.get_by_role("button", name="Other lots").click()
    assert wait_for_sheets(section)["As it is"] != first["As it is"]
    before = field(section).input_value()
    section.get_by_role("button", name="Go on from this text: As it is").click()
    answered(section)
    assert field(section).input_value().startswith(before) and len(field(section).input_value()) > len(before) + 20
    expect(section.locator(".sae-writing")).to_contain_text("before the last change")


def test_a_brick_at_times_one_writes_what_the_gpt_writes_by_itself(live):
    section = type_in(live(), "def f():\n    try")
    section.get_by_role("button", name="Turn brick 585", exact=True).click()
    turn_slider(answered(section), re.compile("^#585"), 1)
    section.get_by_role("button", name="Let it write").click()
    assert [*wait_for_sheets(section)] == ["As it is"]


def test_writing_can_be_stopped(live):
    section = live()
    section.get_by_role("button", name="Let it write").click()
    section.get_by_role("button", name="Stop").click()
    expect(section.get_by_role("button", name="Let it write")).to_be_visible(timeout=10_000)


@pytest.mark.parametrize("step", YOUNGER)
def test_a_younger_self_reads_the_same_text(live, tokenizer, vocabulary, step):
    section = turn_slider(live(), "Step of training", YOUNGER.index(step))
    younger = saelib.load_gpt(SHIPPED / f"gpt-{step}.safetensors")
    assert_guesses(lists(section)[0], younger(as_input(tokenizer, CAT))[0, -1].detach(), vocabulary)
    assert f"the GPT of step {step:,} expects" in readout(section)


def test_what_was_found_is_in_the_address(live, address, new_tab):
    section = type_in(live(), TRY)
    section.get_by_role("button", name="Turn brick 585", exact=True).click()
    turn_slider(answered(section), re.compile("^#585"), 3)
    section.get_by_role("button", name="Shade the text by brick 585").click()
    frame(section, 1)
    hash, seen = hash_of(section.page), lists(section)
    other = answered(visit(new_tab(**WIDE), address + hash).locator("section.sae-live"))
    assert field(other).input_value() == TRY
    assert lists(other) == seen and hash_of(other.page) == hash
    expect(other.locator(".sae-live-legend")).to_contain_text("Shaded by brick #585")


@pytest.mark.parametrize(
    "hash",
    [
        "#live-try=7",
        "#live-try={",
        '#live-try={"gains":[[1]],"place":-1,"heads":[["x",2]],"text":5,"younger":99}',
        '#live-try={"brick":99999,"place":9999}',
    ],
)
def test_an_address_that_says_nonsense_is_passed_over(live, hash):
    assert field(live(hash)).input_value() == CAT


def test_undo_brings_back_what_was_there(live):
    section = live()
    before = lists(section)
    section.get_by_role("button", name="Example: for").click()
    answered(section)
    assert field(section).input_value() == "for line in"
    frame(section, 1)
    for _ in range(2):
        section.get_by_role("button", name="Undo").click()
        answered(section)
    assert field(section).input_value() == CAT and lists(section) == before
    expect(section.get_by_role("button", name="Undo")).to_have_attribute("aria-disabled", "true")


def test_too_long_a_text_is_kept_and_what_is_not_read_is_said(live):
    section = live()
    field(section).evaluate("field => { field.value = 'x = 1\\n'.repeat(50_000); field.dispatchEvent(new Event('input', { bubbles: true })); }")
    answered(section)
    assert field(section).evaluate("field => field.value.length") == 300_000
    assert tokens(section).count() == 512
    expect(section.locator(".sae-live-status")).to_contain_text(
        re.compile(r"It reads 512 tokens at once, so the last 29\d,\d{3} letters are not read")
    )


@pytest.mark.parametrize("text", ["\x00\x01\t\r\n\x7f", "\ud83d", "a\u200db\ufeff", "</script><b>bold</b>", " " * 300])
def test_hostile_texts_are_read_as_text(live, text):
    section = live()
    field(section).evaluate(
        "(field, text) => { field.value = JSON.parse(text); field.dispatchEvent(new Event('input', { bubbles: true })); }", json.dumps(text)
    )
    section.page.wait_for_timeout(100)
    answered(section)
    assert len(lists(section)[0]) == 10 and section.locator(".sae-strip b").count() == 0


def test_fast_typing_ends_with_the_answer_to_the_last_letter(live, gpt, tokenizer, vocabulary):
    section = live()
    field(section).fill("")
    field(section).press_sequentially("with open(path) as file:", delay=5)
    answered(section)
    section.page.wait_for_timeout(200)
    assert_guesses(lists(answered(section))[0], gpt(as_input(tokenizer, "with open(path) as file:"))[0, -1], vocabulary)


def test_a_dead_worker_is_said_and_the_text_is_kept(new_tab, address):
    tab = new_tab(
        **WIDE,
        script="""
        const Real = Worker;
        window.Worker = class extends Real { constructor(...given) { super(...given); window.worker = this; } };""",
    )
    section = answered(visit(tab, address).locator("section.sae-live"))
    tab.evaluate("worker.terminate(); worker.dispatchEvent(new ErrorEvent('error', { message: 'out of memory' }))")
    field(section).fill("for x in")
    expect(section.locator(".sae-live-status")).to_contain_text("Your text is kept", timeout=20_000)
    assert field(section).input_value() == "for x in"
    section.get_by_role("button", name="Start it again").click()
    answered(section)
    assert tokens(section).count() > 3


def test_without_a_worker_the_page_itself_computes(new_tab, address, gpt, tokenizer, vocabulary):
    tab = new_tab(**WIDE, script="delete window.Worker;")
    section = answered(visit(tab, address).locator("section.sae-live"))
    assert_guesses(lists(section)[0], gpt(as_input(tokenizer, CAT))[0, -1], vocabulary)


def test_it_starts_when_the_reader_comes_near_and_not_before(served, new_tab, tokenizer):
    widget = LiveGPT(saelib.load_gpt(), tokenizer, text=CAT)
    tab = new_tab(**WIDE)
    tab.add_init_script("addEventListener('DOMContentLoaded', () => { document.querySelector('main').style.paddingTop = '6000px'; });")
    section = visit(tab, served(widget)).locator("section.sae-live")
    tab.wait_for_timeout(500)
    assert tokens(section).count() == 0
    section.scroll_into_view_if_needed()
    answered(section)


def test_the_page_is_told_what_is_seen(live):
    section = live()
    section.page.evaluate(
        "() => { window.heard = []; document.addEventListener('saelive', ({ detail }) => heard.push(detail)); document.dispatchEvent(new CustomEvent('saelive-ask')); }"
    )
    detail = section.page.evaluate("heard.at(-1)")
    assert (detail["name"], detail["text"], detail["tokens"][-1], detail["example"], detail["edited"], detail["step"]) == (
        "try",
        CAT,
        " =",
        True,
        None,
        5_000,
    )
    assert detail["guesses"][0][0] == " name" and detail["guesses"][0][1] > 0.9 and len(detail["features"]) > 3
    type_in(section, "while x")
    detail = section.page.evaluate("heard.at(-1)")
    assert (detail["text"], detail["example"]) == ("while x", False)


@pytest.mark.parametrize("look", [WIDE, PHONE, {**WIDE, "color_scheme": "dark"}, {**PHONE, "color_scheme": "light"}])
def test_it_fits_the_window_and_bars_nobody(live, look):
    section = type_in(live(**look), "def f():\n    try")
    section.get_by_role("button", name="Turn brick 585", exact=True).click()
    answered(section)
    section.get_by_role("button", name="Let it write").click()
    wait_for_sheets(section)
    assert fits(section.page)
    assert barriers(section.page) == []


def test_everything_is_reached_by_tab_once_and_in_order(live):
    section = type_in(live(), TRY)
    section.get_by_role("button", name="Turn brick 585", exact=True).click()
    answered(section)
    section.evaluate("section => { section.tabIndex = -1; section.focus(); section.removeAttribute('tabindex'); }")
    reached = []
    for _ in range(80):
        section.page.keyboard.press("Tab")
        place = section.evaluate("section => [...section.querySelectorAll('*')].indexOf(document.activeElement)")
        if place < 0:
            break
        reached.append(place)
    assert len(reached) > 25 and reached == sorted(set(reached))


def test_a_brick_put_back_by_a_key_leaves_the_focus_near(live):
    section = type_in(live(), TRY)
    section.get_by_role("button", name="Turn brick 585", exact=True).click()
    answered(section)
    back = section.get_by_role("button", name="Put brick 585 back")
    back.focus()
    section.page.keyboard.press("Enter")
    answered(section)
    expect(section.get_by_role("spinbutton", name="Another brick")).to_be_focused()


def test_a_number_that_no_brick_has_is_said(live):
    section = live()
    number = section.get_by_role("spinbutton", name="Another brick")
    number.fill("5000")
    section.get_by_role("button", name="Turn it").click()
    expect(section).to_contain_text("Bricks have numbers from 0 to 1023.")
    number.fill("585")
    number.press("Enter")
    answered(section)
    expect(section.get_by_role("slider", name=re.compile("^#585"))).to_be_visible()


def test_a_screen_reader_is_told_once_when_the_reader_pauses(live):
    section = live()
    section.page.wait_for_timeout(700)
    section.evaluate(
        "section => { window.told = []; new MutationObserver(() => told.push(section.querySelector('.sae-unseen').textContent)).observe(section.querySelector('.sae-unseen'), { childList: true, characterData: true, subtree: true }); }"
    )
    field(section).press_sequentially(" name", delay=30)
    answered(section)
    section.page.wait_for_timeout(900)
    assert section.page.evaluate("told") == [readout(section)]


def test_a_slider_that_moves_leaves_the_page_where_it_is(live):
    section = live()
    section.get_by_role("spinbutton", name="Another brick").fill("585")
    section.get_by_role("button", name="Turn it").click()
    answered(section)
    slider = section.get_by_role("slider", name=re.compile("^#585"))
    before = slider.bounding_box()["y"]
    for value in (0, 3, 9):
        turn_slider(section, re.compile("^#585"), value)
        assert slider.bounding_box()["y"] == before


def test_a_finger_presses_tokens_and_moves_sliders(live):
    section = live(**PHONE, has_touch=True, is_mobile=True)
    place = tokens(section).nth(3)
    place.scroll_into_view_if_needed()
    place.tap()
    answered(section)
    assert place.get_attribute("aria-selected") == "true"
    slider = section.get_by_role("slider", name="Step of training")
    slider.evaluate("e => e.scrollIntoView({ block: 'center', behavior: 'instant' })")
    box, finger = slider.bounding_box(), Finger(section.page)
    finger.down(box["x"] + box["width"] * 0.95, box["y"] + box["height"] / 2)
    finger.move(box["x"] + 4, box["y"] + box["height"] / 2)
    finger.up()
    expect(section.locator(".sae-readout")).to_contain_text("the GPT of step 50 expects", timeout=20_000)
