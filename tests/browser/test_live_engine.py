"""The engine that runs a GPT in the page: what it says is what Python says, what it keeps is what it would find anew, and the newest
request comes first."""

import json
import math
import random

import live
import pytest
import saelib
import torch
from live import NOTHING, Engine, Pair, codes_of, expect_reading
from pages import ROOT
from saelib.gpt import GPT, SHIPPED, load_gpt, load_tokenizer
from saelib.widgets.explorables.live_tokens import pack_tokenizer

TEXT = (ROOT / "saelib" / "language.py").read_text(encoding="utf-8")[1_000:2_200]
SHORT = 'def size(path):\n    """The size of a file."""\n    return os.path.getsize(path)\n'
NO_SIMD = "globalThis.WebAssembly = undefined;"
FILE = 0  # the mark before a file


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """What is computed here is small, and the browser has work to do meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def tokenizer():
    return load_tokenizer()


@pytest.fixture(scope="module")
def words(tokenizer) -> bytes:
    packed = pack_tokenizer(tokenizer)
    assert json.loads(packed)["mark"] == FILE
    return packed


@pytest.fixture(scope="module")
def book(tokenizer, tmp_path_factory) -> Pair:
    """The book's own GPT and its autoencoder."""
    return Pair(load_gpt(), saelib.load(SHIPPED / "sae"), 2, tokenizer, FILE, tmp_path_factory.mktemp("gpt"))


@pytest.fixture(scope="module")
def open_engine(browser, serve, tmp_path_factory):
    """A function that opens the page with the engine, by http or as a file, and gives who asks it; nothing may go wrong in the page."""
    folder = tmp_path_factory.mktemp("engine")
    address, contexts, said = serve(folder), [], []

    def open_engine(*, files: bool = False, script: str = "", quiet: bool = True, **options) -> Engine:
        name = f"{len(contexts)}.html"
        (folder / name).write_text(live.page_of(**options), encoding="utf-8")
        contexts.append(browser.new_context())
        tab = contexts[-1].new_page()
        if quiet:
            tab.on("console", lambda message: said.append(message.text))
            tab.on("pageerror", lambda error: said.append(str(error)))
        tab.add_init_script(script)
        return Engine(tab, (folder / name).as_uri() if files else f"{address}/{name}")

    yield open_engine
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture(scope="module", params=["simd", "plain"])
def engine(request, open_engine, book, words) -> Engine:
    """The book's GPT in a page, with WebAssembly and without."""
    engine = open_engine(before=NO_SIMD if request.param == "plain" else "")
    loaded = engine.ask("load", key="gpt", tokenizer=words, **book.packed)
    assert loaded["simd"] == (request.param == "simd")
    return engine


@pytest.fixture(scope="module")
def one_engine(open_engine, book, words) -> Engine:
    engine = open_engine()
    engine.ask("load", key="gpt", tokenizer=words, **book.packed)
    return engine


@pytest.fixture(scope="module")
def features(book) -> list[int]:
    """Features that are on in both texts, the most frequent first, without those that are on nearly everywhere."""
    often = [(book.codes(text) != 0).float().mean(dim=0) for text in (TEXT, SHORT)]
    fit = (often[0] < 0.5) & (often[1] > 0)
    return (often[0] * fit).argsort(descending=True)[:20].tolist()


# The GPT's numbers.


def test_it_says_what_it_loaded(one_engine, book, words, tokenizer):
    loaded = one_engine.ask("load", key="again", tokenizer=words, **book.packed)
    assert loaded["settings"] == book.gpt.settings
    assert (loaded["features"], loaded["block"]) == (1_024, 2)
    assert loaded["tokens"] == [tokenizer.decode([i], skip_special_tokens=False) for i in range(2_048)]


def test_a_reading_is_that_of_pytorch(engine, book):
    reading = engine.ask("read", key="gpt", session="whole", text=TEXT)
    ids = book.tokens(TEXT)
    assert reading["ids"] == ids[0].tolist() and len(reading["ids"]) > 300
    assert reading["edited"] is None and reading["left"] == 0
    assert [TEXT[begin:end] for begin, end in zip(reading["begins"], reading["ends"])][1:] == [
        TEXT[begin:end] for begin, end in book.tokenizer.encode(TEXT).offsets
    ]
    expect_reading(reading, ids, book.expects(TEXT))
    codes = book.codes(TEXT)
    got = codes_of(reading["features"], 1_024)
    torch.testing.assert_close(got, codes, rtol=0, atol=1e-3)
    assert ((got != 0) != (codes != 0)).sum() <= 2 and (codes != 0).sum() > 5_000


@pytest.mark.parametrize(
    "sizes, rule, block",
    [
        (dict(d_model=10, n_layers=1, n_heads=1, context=70), saelib.TopK(3), 0),
        (dict(d_model=24, n_layers=3, n_heads=4, context=33), saelib.JumpReLU(0.1, start=0.5), 2),
        (dict(d_model=6, n_layers=2, n_heads=3, context=50), saelib.L1(0.1), 0),
        (dict(d_model=32, n_layers=2, n_heads=2, context=20), saelib.Matryoshka([5, 37], 4), 1),
        (dict(d_model=8, n_layers=2, n_heads=2, context=40), None, 0),
    ],
)
@pytest.mark.parametrize("how", ["simd", "plain"])
def test_so_is_that_of_small_gpts_of_other_shapes(open_engine, words, tokenizer, tmp_path, how, sizes, rule, block):
    gpt = GPT(n_tokens=2_048, **sizes)
    sae = saelib.SparseAutoencoder(sizes["d_model"], 37, rule, seed=3) if rule is not None else None
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in [*gpt.parameters(), *(sae.parameters() if sae is not None else [])]:
            weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
    small = Pair(gpt, sae, block, tokenizer, FILE, tmp_path)
    engine = shared(open_engine, how)
    assert engine.ask("load", key="small", tokenizer=words, **small.packed)["simd"] == (how == "simd")
    reading = engine.ask("read", key="small", session="s", text=SHORT)
    ids = small.tokens(SHORT)
    assert reading["ids"] == ids[0].tolist() and len(ids[0]) == min(sizes["context"], 1 + len(tokenizer.encode(SHORT).ids))
    assert reading["left"] == len(SHORT) - reading["ends"][-1]
    expected = small.expects(SHORT)
    assert expected.exp().amax(dim=1).mean() > 5 / 2_048  # it does expect something
    expect_reading(reading, ids, expected)
    if sae is None:
        assert reading["features"] == {"start": [0] * (len(ids[0]) + 1), "number": [], "strength": []}
        return
    codes = small.codes(SHORT)
    torch.testing.assert_close(codes_of(reading["features"], 37), codes, rtol=0, atol=1e-4)
    assert 0 < (codes != 0).float().mean() < 1
    feature = int((codes != 0).sum(dim=0).argmax())
    change = {**NOTHING, "gains": [[feature, -2]], "heads": [[0, 0]]}
    edited = engine.ask("read", key="small", session="s", text=SHORT, change=change)["edited"]
    expect_reading(edited, ids, small.expects(SHORT, change))
    torch.testing.assert_close(codes_of(edited["features"], 37), small.codes(SHORT, change), rtol=0, atol=1e-4)


SHARED: dict[str, Engine] = {}


def shared(open_engine, how: str) -> Engine:
    if how not in SHARED:
        SHARED[how] = open_engine(before=NO_SIMD if how == "plain" else "")
    return SHARED[how]


def test_the_error_function_is_that_of_python(one_engine):
    places = [i / 50 - 6 for i in range(601)]
    found = one_engine.tab.evaluate("async (places) => places.map((await parts(engine)).erf)", places)
    assert found == pytest.approx([math.erf(place) for place in places], abs=1e-7)


@pytest.mark.parametrize("precision", [torch.float16, torch.float8_e4m3fn])
def test_files_of_save_gpt_are_read_too(one_engine, words, book, tmp_path, precision):
    saelib.gpt.save_gpt(book.gpt, tmp_path / "gpt", precision=precision)
    one_engine.ask("load", key="file", gpt=(tmp_path / "gpt").read_bytes(), tokenizer=words)
    reading = one_engine.ask("read", key="file", session="file", text=SHORT)
    with torch.no_grad():
        expected = load_gpt(tmp_path / "gpt")(book.tokens(SHORT))[0].log_softmax(dim=1)
    expect_reading(reading, book.tokens(SHORT), expected)


def test_a_younger_self_takes_the_tokenizer_of_the_grown_one(one_engine, book):
    young = SHIPPED / "gpt-50.safetensors"
    loaded = one_engine.ask("load", key="young", gpt=young.read_bytes(), like="gpt")
    assert (loaded["features"], loaded["block"]) == (0, -1)
    for key, gpt in [("young", load_gpt(young)), ("gpt", book.gpt)]:
        reading = one_engine.ask("read", key=key, session="two", text=SHORT)
        with torch.no_grad():
            expect_reading(reading, book.tokens(SHORT), gpt(book.tokens(SHORT))[0].log_softmax(dim=1))


# Changes.


def test_turned_features_and_heads_that_are_off_are_those_of_python(engine, book, features):
    first, second, third = features[:3]
    for change in (
        {**NOTHING, "gains": [[first, 0]]},
        {**NOTHING, "gains": [[first, 3.5], [second, -1]]},
        {**NOTHING, "gains": [[first, 0]], "puts": [[third, 12]]},
        {**NOTHING, "puts": [[third, 9]]},
        {**NOTHING, "gains": [[first, 0]], "puts": [[third, 12]], "at": 40},
        {**NOTHING, "heads": [[0, 1], [2, 4]]},
        {**NOTHING, "heads": [[3, 2]], "gains": [[first, 2]]},
        {**NOTHING, "heads": [[1, 0], [1, 3]], "gains": [[first, 0], [third, 4]]},
    ):
        edited = engine.ask("read", key="gpt", session="whole", text=TEXT, change=change)["edited"]
        expected = book.expects(TEXT, change)
        assert (expected - book.expects(TEXT)).abs().max() > 0.5  # there is something to see
        expect_reading(edited, book.tokens(TEXT), expected)
        codes, got = book.codes(TEXT, change), codes_of(edited["features"], 1_024)
        torch.testing.assert_close(got, codes, rtol=0, atol=1e-3)
        assert ((got != 0) != (codes != 0)).sum() <= 2


def test_one_feature_turned_everywhere_is_turn(one_engine, book, features):
    with saelib.changed(book.gpt, "blocks.2", saelib.language.turn(book.sae, features[0], 4)), torch.no_grad():
        expected = book.gpt(book.tokens(SHORT))[0].log_softmax(dim=1)
    change = {**NOTHING, "gains": [[features[0], 4]]}
    edited = one_engine.ask("read", key="gpt", session="turn", text=SHORT, change=change)["edited"]
    expect_reading(edited, book.tokens(SHORT), expected)


def test_a_swap_at_the_last_token_is_push_of_swap_vectors(one_engine, book, features):
    ids, codes = book.tokens(SHORT), book.codes(SHORT)
    old, new = int(codes[-1].argmax()), features[1]
    vector = saelib.interpret.swap_vectors(book.sae, codes[-1:], old, 8 * book.sae.W_dec[new].detach())
    with saelib.changed(book.gpt, "blocks.2", saelib.language.push(vector)), torch.no_grad():
        expected = book.gpt(ids)[0].log_softmax(dim=1)
    change = {**NOTHING, "gains": [[old, 0]], "puts": [[new, 8]], "at": len(codes) - 1}
    reading = one_engine.ask("read", key="gpt", session="swap", text=SHORT, change=change)
    expect_reading(reading["edited"], ids, expected)
    assert reading["edited"]["top"][:-10] == reading["top"][:-10]
    assert reading["edited"]["share"][-10:] != reading["share"][-10:]


def test_a_control_has_the_length_of_what_it_stands_for_and_another_direction(one_engine, book, features):
    change = {**NOTHING, "gains": [[features[0], 5], [features[2], 0]]}
    lots = {}
    for seed in (1, 2):
        way = torch.tensor(one_engine.tab.evaluate("async (seed) => Array.from((await parts(engine)).direction(seed, 160))", seed))
        torch.testing.assert_close(way.norm(), torch.tensor(1.0))
        assert way.abs().max() < 0.4 and abs(way.mean()) < 0.03
        control = {**change, "control": {"kind": "lot", "seed": seed}}
        edited = one_engine.ask("read", key="gpt", session="lot", text=SHORT, change=control)["edited"]
        expect_reading(edited, book.tokens(SHORT), book.expects(SHORT, change, way))
        lots[seed] = way
    assert abs(lots[1] @ lots[2]) < 0.3


@pytest.mark.parametrize("gain, sign", [(0, -1), (4, 1)])
def test_a_control_beside_is_along_another_feature_of_the_text(one_engine, book, features, gain, sign):
    change = {**NOTHING, "gains": [[features[0], gain]]}
    codes = book.codes(SHORT)
    there = [feature for feature in (codes[1:] != 0).any(dim=0).nonzero().ravel().tolist() if feature != features[0]]
    lots = one_engine.tab.evaluate(
        "async ([seed, all]) => { const { uniform } = await parts(engine); return all.map((one) => uniform(seed, 2, one)); }", [7, there]
    )
    other = there[lots.index(min(lots))]
    way = sign * torch.nn.functional.normalize(book.sae.W_dec[other].detach(), dim=0)
    control = {**change, "control": {"kind": "beside", "seed": 7}}
    edited = one_engine.ask("read", key="gpt", session=f"beside {gain}", text=SHORT, change=control)["edited"]
    expect_reading(edited, book.tokens(SHORT), book.expects(SHORT, change, way))


# What is kept.


def test_what_is_kept_of_an_edited_text_is_what_would_be_read_anew(engine, features):
    lots = random.Random(3)
    changes = [
        None,
        {**NOTHING, "gains": [[features[0], 3]]},
        {**NOTHING, "gains": [[features[0], 0]], "puts": [[features[1], 9]], "at": 12},
        {**NOTHING, "heads": [[1, 1]], "gains": [[features[1], 2]]},
        {**NOTHING, "heads": [[1, 1]], "gains": [[features[1], -1]], "control": {"kind": "beside", "seed": 4}},
        {**NOTHING, "heads": [[3, 1], [3, 2]]},
    ]
    text = SHORT
    for step in range(16):
        begin = lots.randrange(len(text) + 1)
        end = min(len(text), begin + lots.choice([0, 0, 1, 9, 40]))
        added = lots.choice(["", "x", "\n", " return", SHORT[:30]])
        if step % 3:
            text = text[:begin] + added + text[end:] or SHORT
        change = lots.choice(changes)
        kept, anew = (engine.ask("read", key="gpt", session=name, text=text, change=change) for name in ("kept", f"anew {step}"))
        engine.ask("forget", session=f"anew {step}")
        assert kept["ids"] == anew["ids"] and (kept["edited"] is None) == (change is None)
        for one, other in [(kept, anew), (kept["edited"] or kept, anew["edited"] or anew)]:
            assert one["bits"][1:] == pytest.approx(other["bits"][1:], abs=1e-3)
            assert one["share"] == pytest.approx(other["share"], abs=1e-4)
            assert one["features"]["start"] == other["features"]["start"]
            assert one["features"]["strength"] == pytest.approx(other["features"]["strength"], abs=1e-3)


def test_a_text_that_is_too_long_is_read_as_far_as_the_context_goes(one_engine, book):
    text = TEXT * 3
    reading = one_engine.ask("read", key="gpt", session="long", text=text)
    assert len(reading["ids"]) == 512 and reading["left"] == len(text) - reading["ends"][-1] > 0
    expect_reading(reading, book.tokens(text), book.expects(text))


def test_an_empty_text_is_the_mark_alone(one_engine, book):
    reading = one_engine.ask("read", key="gpt", session="empty", text="")
    assert (reading["ids"], reading["begins"], reading["ends"], reading["left"], reading["bits"]) == ([FILE], [0], [0], 0, [None])
    torch.testing.assert_close(torch.tensor(reading["share"]).log(), book.expects("")[0].topk(10).values, rtol=0, atol=1e-3)


# Looking inside.


def test_it_tells_how_a_token_attends_and_what_each_block_would_guess(engine, book, features):
    for change in (None, {**NOTHING, "gains": [[features[0], 4]], "heads": [[3, 0]]}):
        engine.ask("read", key="gpt", session="look", text=SHORT, change=change)
        place = 20
        seen = engine.ask("look", key="gpt", session="look", place=place, change=change)
        with torch.no_grad(), book.under(change):
            streams = [book.gpt.embed(book.tokens(SHORT))]
            patterns = []
            for block in book.gpt.blocks:
                patterns.append(block.attention.looks(block.norm_1(streams[-1]))[0, :, place, : place + 1])
                streams.append(block(streams[-1]))
            guesses = torch.stack([book.gpt.unembed(book.gpt.norm(stream[0, place])) for stream in streams]).softmax(dim=1)
        torch.testing.assert_close(torch.tensor(seen["rows"]).view(4, 5, place + 1), torch.stack(patterns), rtol=0, atol=1e-4)
        top, share = torch.tensor(seen["lens"]["top"]).view(5, 5), torch.tensor(seen["lens"]["share"]).view(5, 5)
        torch.testing.assert_close(share, guesses.topk(5, dim=1).values, rtol=0, atol=1e-4)
        torch.testing.assert_close(share, guesses.gather(1, top), rtol=0, atol=1e-4)


def test_it_tells_what_is_left_of_a_guess_without_each_head(one_engine, book):
    one_engine.ask("read", key="gpt", session="without", text=SHORT)
    place = 15
    found = torch.tensor(one_engine.ask("without", key="gpt", session="without", place=place)["share"]).view(4, 5)
    best = book.expects(SHORT)[place].argmax()
    for block in range(4):
        for head in (0, 3):
            expected = book.expects(SHORT, {**NOTHING, "heads": [[block, head]]})[place, best].exp()
            assert found[block, head].item() == pytest.approx(expected.item(), abs=1e-4)


# Who comes first.


def test_a_newer_reading_overtakes_an_older_one_of_its_session_only(one_engine):
    read = [("read", dict(key="gpt", session=name, text=text)) for name, text in [("a", TEXT), ("b", TEXT), ("a", SHORT), ("a", SHORT + "x")]]
    look = ("look", dict(key="gpt", session="a", place=3))
    old, other, _, newer, newest = one_engine.all(read[0], read[1], look, read[2], read[3])
    assert old is None and newer is None and len(other["ids"]) > 300
    anew = one_engine.ask("read", key="gpt", session="c", text=SHORT + "x")
    assert newest == anew


def test_a_reading_does_not_wait_for_one_who_writes_nor_for_what_is_less_urgent(one_engine):
    one_engine.ask("read", key="gpt", session="slow", text=TEXT)
    one_engine.tab.evaluate("answered.length = 0")
    one_engine.tab.evaluate(
        """async ([long, short]) => {
          const writing = ask("write", { key: "gpt", session: "writes", text: short, count: 60, seed: 1, temperature: 1, columns: [null, null] });
          const without = ask("without", { key: "gpt", session: "slow", place: 200 });
          await new Promise((resolve) => setTimeout(resolve, 60));
          await ask("read", { key: "gpt", session: "reads", text: long });
          await Promise.all([writing, without]);
        }""",
        [TEXT, SHORT],
    )
    assert one_engine.tab.evaluate("answered") == ["reads", "writes", "slow"]


def test_it_lets_messages_in_all_the_time(one_engine):
    """A ping is answered while a long text is read."""
    gaps = one_engine.tab.evaluate(
        """async (text) => {
          let done = false;
          const reading = ask("without", { key: "gpt", session: "slow", place: 300 }).then(() => { done = true; });
          const gaps = [];
          while (!done && gaps.length < 12) {
            const start = performance.now();
            await link.ask("ping");
            gaps.push(performance.now() - start);
          }
          await link.ask("forget", { session: "slow" });
          await reading;
          return gaps;
        }""",
        TEXT,
    )
    assert len(gaps) == 12 and sorted(gaps)[6] < 150  # 30 on an idle machine


# Writing.

STEPS = 8


@pytest.fixture(scope="module")
def greedy(book, features):
    """Some changes, and what Python writes under each: tokens, their probabilities, and their codes."""
    changes = [None, {**NOTHING, "gains": [[features[0], 6]]}, {**NOTHING, "heads": [[2, 1]]}, {**NOTHING, "gains": [[features[1], 0]], "at": 5}]
    ids = book.tokens(SHORT)
    expected = []
    for change in changes:
        own, shares, codes = ids, [], []
        for _ in range(STEPS):
            with torch.no_grad(), book.under(change):
                likely = book.gpt(own)[0, -1].softmax(dim=0)
            shares.append(likely.max().item())
            own = torch.cat([own, likely.argmax()[None, None]], dim=1)
            with torch.no_grad(), book.under(change and {**change, "gains": []}):
                codes.append(book.sae.encode(saelib.activations(book.gpt, "blocks.2", [own]))[-1])
        expected.append((own[0, ids.shape[1] :].tolist(), shares, codes))
    return changes, expected


def test_greedy_writing_is_that_of_python_in_every_column(engine, book, greedy):
    changes, expected = greedy
    written = engine.write(key="gpt", session="greedy", text=SHORT, count=STEPS, seed=5, temperature=0, columns=changes)
    for column, (tokens, shares, codes) in enumerate(expected):
        parts = [part for part in written["parts"] if part["column"] == column]
        assert parts.pop() == {"column": column, "ended": "count", "piece": ""}
        assert [part["id"] for part in parts] == tokens
        assert [part["share"] for part in parts] == pytest.approx(shares, abs=1e-3)
        assert "".join(part["piece"] for part in parts) == written["texts"][column] == book.tokenizer.decode(tokens)
        for part, code in zip(parts, codes):
            strongest = code.topk(8)
            assert [strength for _, strength in part["on"]] == pytest.approx(strongest.values.tolist(), abs=1e-3)
            assert [code[feature].item() for feature, _ in part["on"]] == pytest.approx(strongest.values.tolist(), abs=1e-3)
    assert len({tuple(tokens) for tokens, _, _ in expected}) > 1
    # The columns take turns.
    assert [part["column"] for part in written["parts"]] == [0, 1, 2, 3] * STEPS + [0, 1, 2, 3]


def test_where_nothing_is_changed_all_columns_write_the_same_and_another_seed_another_text(one_engine, features):
    silent = {**NOTHING, "gains": [[features[0], 1]], "heads": []}
    texts = []
    for seed in (1, 2, 1):
        written = one_engine.write(key="gpt", session="same", text=SHORT, count=30, seed=seed, temperature=0.8, columns=[None, silent, NOTHING])
        assert len(set(written["texts"])) == 1
        texts.append(written["texts"][0])
    assert texts[0] == texts[2] != texts[1]


@pytest.mark.parametrize("temperature", [1, 0.5])
def test_tokens_are_drawn_as_often_as_they_are_likely(open_engine, words, tokenizer, tmp_path, temperature):
    gpt = GPT(n_tokens=2_048, d_model=8, n_layers=1, n_heads=1, context=12)
    with torch.no_grad():
        gpt.embed.weight.mul_(60)
    small = Pair(gpt, None, 0, tokenizer, FILE, tmp_path)
    engine = shared(open_engine, "simd")
    engine.ask("load", key="drawn", tokenizer=words, **small.packed)
    many = 1_500
    drawn = engine.tab.evaluate(
        """async ([many, temperature]) => {
          const ids = [];
          for (let seed = 0; seed < many; seed++) {
            await link.stream("write", { key: "drawn", session: "d", text: "a", count: 1, seed, temperature, columns: [null] }, ({ id }) => id >= 0 && ids.push(id));
          }
          return ids;
        }""",
        [many, temperature],
    )
    likely = (small.expects("a")[-1] / temperature).softmax(dim=0)
    often = torch.bincount(torch.tensor(drawn), minlength=2_048)
    expected, found = (row[likely.argsort(descending=True)[:12]] for row in (likely, often / many))
    assert expected[0] < 0.7 and expected[-1] > 0.002
    error = (found - expected) / (expected * (1 - expected) / many).sqrt()
    assert error.abs().max() < 4, (expected, found)


def test_two_steps_draw_apart(one_engine):
    """The lots of one step say nothing about those of the next, nor of the next seed."""
    lots = one_engine.tab.evaluate(
        """async () => {
          const { uniform } = await parts(engine);
          const row = (seed, step) => Array.from({ length: 2048 }, (_, i) => uniform(seed, step, i));
          return [row(1, 0), row(1, 1), row(2, 0), row(2, 1)];
        }"""
    )
    rows = torch.tensor(lots, dtype=torch.float64)
    assert rows.min() > 0 and rows.max() < 1
    correlated = torch.corrcoef(rows) - torch.eye(4)
    assert correlated.abs().max() < 0.1
    neighbours = torch.corrcoef(torch.stack([rows[:, :-1].flatten(), rows[:, 1:].flatten()]))[0, 1]
    assert abs(neighbours) < 0.05
    assert (rows.mean(dim=1) - 0.5).abs().max() < 0.03 and (rows.std(dim=1) - 12**-0.5).abs().max() < 0.02


def test_a_column_ends_where_the_context_is_full_or_the_mark_comes(one_engine, words, tokenizer, tmp_path):
    gpt = GPT(n_tokens=2_048, d_model=8, n_layers=1, n_heads=1, context=6, seed=2)
    (letter,) = tokenizer.encode("a").ids
    with torch.no_grad():
        gpt.embed.weight.mul_(60)
        small = Pair(gpt, None, 0, tokenizer, FILE, tmp_path)
        next = small.gpt(torch.tensor([[mark, letter] for mark in range(2_048)]))[:, -1].argmax(dim=1).tolist()
    ends, *_ = [mark for mark, token in enumerate(next) if token == mark != letter]
    for mark, expected in [(FILE, [None] * 4 + ["context"]), (ends, ["mark"])]:
        one_engine.ask("load", key="short", tokenizer=json.dumps({**json.loads(words), "mark": mark}).encode(), **small.packed)
        written = one_engine.write(key="short", session="short", text="a", count=50, seed=1, temperature=0, columns=[None, None])
        assert [part.get("ended") for part in written["parts"] if part["column"] == 0] == expected
        assert written["texts"] == [tokenizer.decode([part["id"] for part in written["parts"] if "id" in part and part["column"] == 0])] * 2


def test_letters_come_when_they_are_whole(one_engine, words, tokenizer, book):
    """A letter of several tokens is told with the last of them."""
    written = one_engine.write(key="gpt", session="letters", text="# é", count=40, seed=3, temperature=1.5, columns=[None])
    ids = [part["id"] for part in written["parts"] if "id" in part]
    assert written["texts"][0] == tokenizer.decode(ids, skip_special_tokens=False) == "".join(part["piece"] for part in written["parts"])


def test_writing_can_be_stopped(one_engine):
    found = one_engine.tab.evaluate(
        """async (text) => {
          let count = 0;
          const args = { key: "gpt", session: "stop", text, count: 400, seed: 1, temperature: 1, columns: [null] };
          const { texts } = await link.stream("write", args, () => { if (++count === 5) link.ask("stop", { session: "stop" }); });
          return [count, texts];
        }""",
        SHORT,
    )
    assert 5 <= found[0] < 390 and len(found[1]) == 1


# What goes wrong.


def test_a_bad_request_is_answered_with_words_and_does_no_harm(one_engine, book, words):
    good = dict(key="gpt", session="bad", text=SHORT)
    one_engine.ask("read", **good)
    write = dict(count=1, seed=1, temperature=1, columns=[None])
    for kind, args, words_of_it in [
        ("dance", good, 'kind is "dance"; expected one of load, read, look'),
        ("read", {**good, "key": "other"}, 'key is "other"; expected one that was loaded: "gpt"'),
        ("read", {**good, "session": None}, "session is null; expected a name"),
        ("read", {**good, "text": 5}, "text is 5; expected a string"),
        ("read", {**good, "change": {**NOTHING, "gains": [[1_024, 0]]}}, "gains has feature 1024; expected a whole number from 0 to 1023"),
        ("read", {**good, "change": {**NOTHING, "puts": [[3, None]]}}, "puts has null for feature 3; expected a finite number"),
        ("read", {**good, "change": {**NOTHING, "heads": [[4, 0]]}}, "heads has [4, 0]; expected a block from 0 to 3"),
        ("read", {**good, "change": {**NOTHING, "at": -1}}, "at is -1; expected null or a place"),
        ("read", {**good, "change": {**NOTHING, "control": {"kind": "loud", "seed": 1}}}, 'control is {"kind":"loud","seed":1}; expected a kind'),
        ("look", {**good, "place": 900}, "place is 900; expected a token of the text, from 0 to"),
        ("look", {**good, "session": "never", "place": 0}, "place is 0; expected a text that was read before"),
        ("write", {**good, **write, "count": 0}, "count is 0; expected a whole number"),
        ("write", {**good, **write, "temperature": -1}, "temperature is -1; expected a number from 0 on"),
        ("write", {**good, **write, "columns": []}, "columns is []; expected a change"),
        ("load", {"key": "bad", "gpt": 5}, "gpt is 5; expected its bytes"),
        ("load", {"key": "bad", "gpt": b"short"}, "The weights are 5 bytes; expected a whole safetensors file"),
        ("load", {"key": "bad", "gpt": book.packed["gpt"][:-9], "tokenizer": words}, "within the file"),
        ("load", {"key": "bad", "gpt": book.packed["sae"], "tokenizer": words}, "expected what pack_gpt made"),
        ("load", {"key": "bad", "gpt": book.packed["gpt"], "like": "nobody"}, 'key is "nobody"; expected one that was loaded'),
    ]:
        assert words_of_it in one_engine.ask(kind, **args)["error"], kind
    assert "error" not in one_engine.ask("read", **good)


def test_a_change_by_features_takes_an_autoencoder(one_engine):
    one_engine.ask("load", key="bare", gpt=(SHIPPED / "gpt-50.safetensors").read_bytes(), like="gpt")
    change = {**NOTHING, "gains": [[0, 0]]}
    assert "no sparse autoencoder was loaded" in one_engine.ask("read", key="bare", session="bare", text="x", change=change)["error"]


CRASHES = 'addEventListener("message", ({ data }) => { if (data.kind === "crash") throw new Error("a crash"); });'


def test_a_worker_that_dies_says_so_and_the_next_request_starts_another(open_engine, book, words):
    engine = open_engine(before=CRASHES, quiet=False)
    engine.ask("load", key="gpt", tokenizer=words, **book.packed)
    read = ("read", dict(key="gpt", session="s", text=TEXT))
    first, second = engine.all(read, ("crash", {}))
    assert "has stopped" in first["error"] and "a crash" in first["error"] and "has stopped" in second["error"]
    assert "expected one that was loaded: none was" in engine.ask(read[0], **read[1])["error"]
    engine.ask("load", key="gpt", tokenizer=words, **book.packed)
    assert len(engine.ask(read[0], **read[1])["ids"]) > 300
    assert engine.tab.evaluate("link.where") == "worker"


def test_a_worker_that_falls_silent_is_given_up(open_engine):
    sleeps = 'addEventListener("message", ({ data }) => { if (data.kind === "sleep") for (;;); });'
    hurried = live.LINK.replace("2_000", "300")
    assert hurried != live.LINK
    engine = open_engine(before=sleeps, link=hurried)
    assert "kind is" in engine.ask("dance")["error"]
    assert "no longer answers" in engine.ask("sleep")["error"]
    assert "kind is" in engine.ask("dance")["error"]


def test_a_restart_ends_what_is_open(open_engine):
    engine = open_engine()
    engine.ask("ping")
    error, _ = engine.tab.evaluate("() => Promise.all([ask('load', {}), link.restart()])")
    assert "started anew" in error["error"]
    assert engine.ask("ping") == {}


def test_all_with_one_source_share_one_link(open_engine):
    assert open_engine().tab.evaluate("[connect(engine) === link, connect(engine + ' ') === link]") == [True, False]


@pytest.mark.parametrize(
    "hindrance",
    [
        dict(script="delete globalThis.Worker;"),
        dict(script="globalThis.Worker = class { constructor() { throw new Error('not here'); } };"),
        dict(head="""<meta http-equiv="Content-Security-Policy" content="worker-src 'none'">"""),
        dict(before="if (!globalThis.document) throw new Error('too old');"),
    ],
    ids=["no worker", "refused", "forbidden", "broken"],
)
def test_without_a_worker_the_page_does_its_work_in_slices(open_engine, book, words, hindrance):
    engine = open_engine(quiet=False, **hindrance)
    engine.ask("load", key="gpt", tokenizer=words, **book.packed)
    assert engine.tab.evaluate("link.where") == "page"
    longest = engine.tab.evaluate(
        """async (text) => {
          let longest = 0, last = performance.now(), on = true;
          const tick = () => { const now = performance.now(); longest = Math.max(longest, now - last); last = now; if (on) setTimeout(tick); };
          setTimeout(tick);
          globalThis.found = await ask("read", { key: "gpt", session: "s", text });
          on = false;
          return longest;
        }""",
        TEXT,
    )
    assert longest < 250  # some 30 on an idle machine, of some 300 in all
    expect_reading(engine.tab.evaluate("found"), book.tokens(TEXT), book.expects(TEXT))


def test_where_nothing_may_run_it_says_so(open_engine):
    head = """<meta http-equiv="Content-Security-Policy" content="script-src 'unsafe-inline' 'unsafe-eval'">"""
    engine = open_engine(quiet=False, head=head)
    assert engine.ask("ping")["error"].startswith("The GPT can't run in this page: ")


@pytest.mark.parametrize("script", ["", "delete globalThis.Worker;"], ids=["worker", "page"])
def test_it_runs_in_a_page_that_is_opened_as_a_file(open_engine, script, book, words):
    engine = open_engine(files=True, script=script)
    assert engine.ask("load", key="gpt", tokenizer=words, **book.packed)["simd"]
    assert engine.tab.evaluate("link.where") == ("page" if script else "worker")
    assert engine.ask("read", key="gpt", session="s", text="x = 1")["left"] == 0
