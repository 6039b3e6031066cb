"""A language model token by token: what it says of each is what it says of the whole text, and cards tell what is so.

Where a card's numbers are worked out by hand, the autoencoder reads each number of x by a feature of its own, so that the codes
are relu(x), and every token has a name of its own, "t17" for the 17th, so that an example tells where it is from.
"""

import math
from collections import Counter, defaultdict
from types import SimpleNamespace

import pytest
import torch
from hostile import not_a_count, not_finite, refusal, unhurried
from hypothesis import example, given
from hypothesis import strategies as st
from saelib import GPT, L1, Drawers, SparseAutoencoder, TopK, activations, changed, interpret
from saelib.data import Tokens
from saelib.interpret import FALSE_ALARM, MISSED, STRONGEST, WEAKEST, Labels, LabelScores
from saelib.language import Ablation, bits_per_byte, feature_cards, ngram_losses, push, splice, token_activations, token_losses, turn
from saelib.widgets import FeatureBrowser
from torch import Tensor, nn
from torch.nn import functional as F

N_TOKENS, CONTEXT, PART = 30, 24, "blocks.0"


def gpt(n_tokens: int = N_TOKENS) -> GPT:
    """A model with large weights, so that what comes before a token matters."""
    model = GPT(n_tokens, 8, 2, 2, CONTEXT, seed=1).eval().requires_grad_(False)
    for weight in model.parameters():
        weight.mul_(12 if weight.ndim == 2 else 1)
    return model


MODEL = gpt()
SAE = SparseAutoencoder(8, 20, TopK(3), seed=2).requires_grad_(False)
VOCABULARY = [f"t{i}" for i in range(N_TOKENS)]


def texts(*lengths: int, n_tokens: int = N_TOKENS, seed: int = 0) -> Tokens:
    """Texts of so many random tokens, each text after the mark, number 0."""
    generator = torch.Generator().manual_seed(seed)
    rows = [torch.randint(min(1, n_tokens - 1), n_tokens, (length,), generator=generator) for length in lengths]
    return of([[0, *row[1:].tolist()] for row in rows])


def of(rows: list[list[int]]) -> Tokens:
    ids = torch.tensor([one for row in rows for one in row])
    file = torch.arange(len(rows)).repeat_interleave(torch.tensor([len(row) for row in rows]))
    return Tokens(ids, torch.zeros(len(ids), 2, dtype=torch.int64), file)


def split(tokens: Tokens) -> list[Tensor]:
    return [tokens.ids[tokens.file == number] for number in range(int(tokens.file[-1]) + 1)]


# Activations and losses.


def test_a_text_that_fits_into_the_context_is_read_as_a_whole():
    tokens = texts(24, 1, 7, 12, 2)
    expected = [activations(MODEL, PART, [text[None]]) for text in split(tokens)]
    torch.testing.assert_close(token_activations(MODEL, PART, tokens), torch.cat(expected))


def test_a_text_is_read_the_same_whatever_stands_beside_it():
    tokens = texts(5, 61, 3, 40)
    found = token_activations(MODEL, PART, tokens)
    for number, text in enumerate(split(tokens)):
        torch.testing.assert_close(found[tokens.file == number], token_activations(MODEL, PART, of([text.tolist()])))


class Sight(nn.Module):
    """A model that says how many tokens stand before each one, and what the sum of their numbers is with its own."""

    def __init__(self):
        super().__init__()
        self.part = nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        return self.part(torch.stack([torch.arange(tokens.shape[1]).expand_as(tokens), tokens.cumsum(dim=1)], dim=2).float())


@unhurried
@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(2, 13))
@example([1], 2)
@example([13, 14, 6, 7], 13)
def test_each_token_is_read_with_half_a_context_before_it_or_all_there_is_of_its_text(lengths, context):
    tokens = texts(*lengths)
    found = token_activations(Sight(), "part", tokens, context=context).long()
    place = torch.cat([torch.arange(length) for length in lengths])
    assert len(found) == len(place)
    for at, (before, total) in enumerate(found.tolist()):
        assert min(int(place[at]), context // 2) <= before <= place[at] and before < context
        assert total == tokens.ids[at - before : at + 1].sum()


def test_the_loss_is_the_cross_entropy_of_the_token_that_comes_and_0_where_none_does():
    tokens = texts(24, 1, 9, 2)
    expected = []
    for text in split(tokens):
        odds = MODEL(text[None])[0].log_softmax(dim=1)
        expected += [-odds[at, text[at + 1]].item() for at in range(len(text) - 1)] + [0.0]
    found = token_losses(MODEL, tokens)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-5)
    assert found[[23, 24, 33, 35]].tolist() == [0, 0, 0, 0] and (found > 0).sum() == 36 - 4


def test_losses_of_a_long_text_are_read_in_the_same_windows_as_activations():
    tokens = texts(70, 30)
    logits = token_activations(MODEL, "unembed", tokens)
    following, there = tokens.following()
    expected = F.cross_entropy(logits, following, reduction="none") * there
    torch.testing.assert_close(token_losses(MODEL, tokens), expected, rtol=1e-4, atol=1e-5)


class Wrapped(nn.Module):
    """The same model as Hugging Face would have it: logits with a name, and no `context`."""

    def __init__(self):
        super().__init__()
        self.inner = MODEL

    def forward(self, tokens: Tensor) -> SimpleNamespace:
        return SimpleNamespace(logits=self.inner(tokens))


def test_a_model_whose_logits_have_a_name_is_read_the_same():
    tokens = texts(50, 8)
    assert torch.equal(token_losses(Wrapped(), tokens, context=CONTEXT), token_losses(MODEL, tokens))
    x, own = token_activations(Wrapped(), f"inner.{PART}", tokens, context=CONTEXT), token_activations(MODEL, PART, tokens)
    assert torch.equal(x, own)
    (one,) = feature_cards(SAE, x, tokens, VOCABULARY, features=[common(x)], ablation=Ablation(Wrapped(), f"inner.{PART}", reach=CONTEXT))
    (other,) = feature_cards(SAE, x, tokens, VOCABULARY, features=[common(x)], ablation=Ablation(MODEL, PART, reach=CONTEXT))
    assert one.effect == other.effect


class Pair(nn.Module):
    """A model that gives its loss beside its logits, and its logits of the last token alone where nobody asks for the loss."""

    context = CONTEXT

    def __init__(self, give):
        super().__init__()
        self.inner, self.give = MODEL, give

    def forward(self, tokens: Tensor):
        return self.give(self.inner(tokens))


@pytest.mark.parametrize("give", [lambda logits: (logits, None), lambda logits: [logits, logits.sum()]])
def test_a_model_that_gives_several_things_gives_its_logits_first(give):
    tokens = texts(9, 30)
    assert torch.equal(token_losses(Pair(give), tokens), token_losses(MODEL, tokens))
    x = token_activations(MODEL, PART, tokens)
    card = feature_cards(SAE, x, tokens, VOCABULARY, features=[3], ablation=Ablation(Pair(give), f"inner.{PART}"))
    assert repr(card[0].effect) == repr(feature_cards(SAE, x, tokens, VOCABULARY, features=[3], ablation=Ablation(MODEL, PART))[0].effect)


@pytest.mark.parametrize(
    ("give", "got"),
    [
        (lambda logits: (logits[:, -1:], None), "shape (1, 1, 30)"),
        (lambda logits: logits.flatten(0, 1), "shape (9, 30)"),
        (lambda logits: logits[:, :, :7], "shape (1, 9, 7)"),
        (lambda logits: {"logits": logits}, "a dict"),
        (lambda logits: (), "a tuple"),
        (lambda logits: None, "a NoneType"),
    ],
)
def test_a_model_that_gives_no_logits_for_every_token_is_refused(give, got):
    message = refusal(lambda: token_losses(Pair(give), texts(9)))
    assert message.startswith(f"model gives {got} for tokens (1, 9); expected logits (n, t, n_tokens)")


def test_short_texts_take_no_more_reading_than_they_have_tokens():
    read = []
    handle = MODEL.register_forward_hook(lambda module, inputs, output: read.append(inputs[0].numel()))
    tokens = texts(*[5] * 200)
    token_losses(MODEL, tokens)
    assert sum(read) == len(tokens.ids)
    handle.remove()


def test_a_model_left_in_training_mode_is_read_as_in_use_and_left_in_that_mode():
    class Forgetful(nn.Module):
        context = CONTEXT

        def __init__(self):
            super().__init__()
            self.inner, self.drop = gpt(), nn.Dropout(0.5)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.drop(self.inner(tokens))

    model, tokens = Forgetful().train(), texts(9, 30)
    assert torch.equal(token_losses(model, tokens), token_losses(MODEL, tokens))
    assert torch.equal(token_activations(model, "drop", tokens), token_activations(MODEL, "", tokens))
    x = token_activations(MODEL, PART, tokens)
    ways = Ablation(model, f"inner.{PART}"), Ablation(MODEL, PART)
    cards = [feature_cards(SAE, x, tokens, VOCABULARY, features=[3], ablation=way) for way in ways]
    assert repr(cards[0][0].effect) == repr(cards[1][0].effect)
    assert model.training and model.drop.training


def test_a_shorter_context_may_be_asked_for():
    tokens = texts(50)
    assert torch.equal(token_losses(MODEL, tokens, context=CONTEXT), token_losses(MODEL, tokens))
    assert not torch.allclose(token_losses(MODEL, tokens, context=6), token_losses(MODEL, tokens))
    assert not torch.allclose(token_activations(MODEL, PART, tokens, context=6), token_activations(MODEL, PART, tokens))


def test_a_model_that_does_not_say_its_context_has_to_be_told():
    for call in (lambda: token_losses(Wrapped(), texts(5)), lambda: token_activations(Wrapped(), f"inner.{PART}", texts(5))):
        assert refusal(call) == "context is None; expected how many tokens the model looks at, which Wrapped does not say"


@unhurried
@given(not_a_count.filter(lambda value: value is not None) | st.just(1))
def test_a_context_without_two_halves_is_refused(context):
    for call in (token_losses, lambda *a, **k: token_activations(a[0], PART, *a[1:], **k)):
        assert refusal(lambda: call(MODEL, texts(5), context=context)).startswith(f"context is {context!r}; expected ")


def test_a_model_that_is_sure_that_no_text_ends_still_has_no_loss_where_one_does():
    def sure(logits: Tensor) -> Tensor:
        return logits.index_fill(2, torch.tensor([0]), -math.inf)

    tokens = texts(9, 1, 30)
    with changed(MODEL, "unembed", sure):
        losses = token_losses(MODEL, tokens)
    assert losses.isfinite().all() and losses[[8, 9, 39]].tolist() == [0, 0, 0]


# A model that only counts.


def counted(tokens: Tokens, held: Tokens, n: int) -> list[float]:
    """The formula as it stands in the docstring, one history after the other."""
    n_tokens = int(max(tokens.ids.max(), held.ids.max())) + 1

    def histories(text: list[int], length: int) -> list[tuple[int, ...]]:
        padded = [text[0]] * length + text  # before a text begins stands its mark
        return [tuple(padded[at + 1 : at + 1 + length]) for at in range(len(text))]

    tables = []
    for length in range(n):
        table: dict[tuple[int, ...], Counter] = defaultdict(Counter)
        for text in split(tokens):
            for history, following in zip(histories(text.tolist(), length), text[1:].tolist()):
                table[history][following] += 1
        tables.append(table)

    def probability(history: tuple[int, ...], following: int) -> float:
        lower = probability(history[1:], following) if history else 1 / n_tokens
        table = tables[len(history)].get(history)
        if not table:
            return lower
        return (table[following] + len(table) * lower) / (table.total() + len(table))

    found = []
    for text in split(held):
        pairs = zip(histories(text.tolist(), n - 1), text[1:].tolist())
        found += [-math.log(probability(history, following)) for history, following in pairs] + [0.0]
    return found


rows = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), min_size=1, max_size=5)


@unhurried
@given(rows, rows, st.integers(1, 4))
@example([[0], [0]], [[0, 1, 2]], 2)
@example([[0, 1, 1, 2]], [[0, 1, 1, 2], [0, 3]], 3)
@example([[0]], [[0, 0]], 1)
def test_n_grams_are_counted_as_the_formula_says(own, held, n):
    found = ngram_losses(of(own), of(held), n)
    assert found.dtype == torch.float64
    assert found.tolist() == pytest.approx(counted(of(own), of(held), n), abs=1e-12)


@unhurried
@given(rows, st.lists(st.integers(0, 4), min_size=1, max_size=5), st.integers(1, 4))
def test_the_probabilities_of_all_tokens_that_may_come_add_up_to_1(own, history, n):
    held = of([[*history, following] for following in range(5)])
    losses = ngram_losses(of(own), held, n).view(5, -1)[:, len(history) - 1]
    assert (-losses).exp().sum().item() == pytest.approx(1)


def test_longer_histories_tell_more_of_a_text_that_repeats_itself():
    tokens = of([[0, *[1, 2, 1, 3] * 20]])
    means = [ngram_losses(tokens, tokens, n).mean().item() for n in (1, 2, 3)]
    assert means[0] > 1.5 * means[1] > 2 * means[2]


def test_runs_that_do_not_fit_into_a_whole_number_are_refused():
    tokens = of([[0, 1, 0, 2, 511]])
    assert refusal(lambda: ngram_losses(tokens, tokens, 8)) == "n is 8; expected at most 7 with 512 different tokens"
    assert ngram_losses(tokens, tokens, 7).tolist() == pytest.approx(counted(tokens, tokens, 7))
    pair = of([[0, *[1] * 70, 0, 1]])
    assert refusal(lambda: ngram_losses(pair, pair, 64)) == "n is 64; expected at most 63 with 2 different tokens"
    assert ngram_losses(pair, pair, 63).tolist() == pytest.approx(counted(pair, pair, 63))


@unhurried
@given(not_a_count)
def test_runs_of_no_tokens_are_refused(n):
    assert refusal(lambda: ngram_losses(texts(5), texts(5), n)).startswith(f"n is {n!r}; expected a whole number")


def test_bits_are_for_each_byte_and_not_for_each_character():
    losses = torch.tensor([1.0, 2.0, 5.0]) * math.log(2)
    assert bits_per_byte(losses, ["ab", "cd"]) == pytest.approx(8 / 4)
    assert bits_per_byte(losses, ["aé", "猫🦆"]) == pytest.approx(8 / (1 + 2 + 3 + 4))


def test_losses_of_few_digits_are_added_up_with_many():
    losses = torch.full((10_001,), 8.0, dtype=torch.float16)
    assert bits_per_byte(losses, ["a"]) == pytest.approx(80_008 / math.log(2), rel=1e-12)


# Splicing and turning.


def stream_of(tokens: Tensor) -> Tensor:
    return activations(MODEL, PART, [tokens]).view(*tokens.shape, 8)


def rest(stream: Tensor) -> Tensor:
    """The logits that the model makes of what PART puts out."""
    return MODEL.unembed(MODEL.norm(MODEL.blocks[1](stream)))


def common(x: Tensor) -> int:
    """A feature that is on at many tokens, and off at many."""
    share = (SAE.encode(x) > 0).float().mean(dim=0)
    feature = int((share - 0.5).abs().argmin())
    assert 0.1 < share[feature] < 0.9
    return feature


BATCH = texts(36).ids.view(3, 12)


def test_a_spliced_copy_is_what_the_rest_of_the_model_reads():
    with changed(MODEL, PART, splice(SAE)):
        found = MODEL(BATCH)
    torch.testing.assert_close(found, rest(SAE(stream_of(BATCH).flatten(0, 1)).view(3, 12, 8)))
    assert not torch.allclose(found, MODEL(BATCH), atol=0.1)


def test_a_gain_of_1_changes_nothing():
    with changed(MODEL, PART, turn(SAE, common(stream_of(BATCH).flatten(0, 1)), 1.0)):
        assert torch.equal(MODEL(BATCH), rest(stream_of(BATCH)))


@pytest.mark.parametrize("gain", [0, 0.5, 2.5, -1])
def test_a_turned_feature_is_there_so_many_times_and_all_else_stays(gain):
    stream = stream_of(BATCH)
    feature = common(stream.flatten(0, 1))
    code = SAE.encode(stream.flatten(0, 1))[:, feature].view(3, 12, 1)
    expected = stream + (gain - 1) * code * SAE.W_dec[feature]
    found = turn(SAE, feature, gain)(stream)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    off = code[:, :, 0] == 0
    assert torch.equal(found[off], stream[off]) and not torch.allclose(found[~off], stream[~off])
    with changed(MODEL, PART, turn(SAE, feature, gain)):
        torch.testing.assert_close(MODEL(BATCH), rest(expected), rtol=1e-3, atol=1e-4)


@unhurried
@given(st.sampled_from([None, True, "0", 1.0, math.nan, [0]]) | st.integers(20) | st.integers(max_value=-1), not_finite)
def test_a_feature_that_is_not_there_and_a_gain_that_is_no_number_are_refused(feature, gain):
    assert refusal(lambda: turn(SAE, feature, 0.0)).startswith(f"feature is {feature!r}; expected ")
    assert refusal(lambda: turn(SAE, 19, gain)) == f"gain is {gain!r}; expected a finite number"


def test_a_push_is_added_at_the_last_token_of_each_text_and_nowhere_else():
    stream, vectors = stream_of(BATCH), torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    before, whole = stream.clone(), MODEL(BATCH)
    for added in (vectors, vectors[0]):
        expected = stream.clone()
        for text in range(3):
            expected[text, 11] += vectors[text if added is vectors else 0]
        assert torch.equal(push(added)(stream), expected) and torch.equal(stream, before)
        with changed(MODEL, PART, push(added)):
            found = MODEL(BATCH)
        torch.testing.assert_close(found, rest(expected))
        torch.testing.assert_close(found[:, :-1], whole[:, :-1])
        assert not torch.allclose(found[:, -1], whole[:, -1], atol=0.1)


@pytest.mark.parametrize(
    ("vectors", "words"),
    [
        (torch.ones(7), "vectors is (7,), torch.float32; expected a floating-point tensor of shape (8,) or (3, 8)"),
        (torch.ones(2, 8), "vectors is (2, 8), torch.float32; expected"),
        (torch.ones(3, 12, 8), "vectors is (3, 12, 8), torch.float32; expected"),
        (torch.ones(8, dtype=torch.int64), "vectors is (8,), torch.int64; expected"),
        (1.0, "vectors is float; expected"),
        (torch.full((8,), math.inf), "vectors holds inf at (0,)"),
    ],
)
def test_a_push_that_does_not_fit_is_refused_when_the_model_runs(vectors, words):
    with changed(MODEL, PART, push(vectors)):
        assert refusal(lambda: MODEL(BATCH)).startswith(words)


# Cards: what is on where.


def reader(d: int) -> SparseAutoencoder:
    """Each of d numbers is read by a feature of its own: codes = relu(x)."""
    sae = SparseAutoencoder(d, d, L1(0)).requires_grad_(False)
    sae.W_enc.copy_(torch.eye(d))
    sae.W_dec.copy_(torch.eye(d))
    return sae


def named(*lengths: int) -> tuple[Tokens, list[str]]:
    """Texts in which every token is another one, and their names."""
    n = sum(lengths)
    file = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    return Tokens(torch.arange(n), torch.zeros(n, 2, dtype=torch.int64), file), [f"t{i}" for i in range(n)]


def places(one: interpret.Example) -> list[int]:
    return [int(token[1:]) for token in one.tokens]


def focus(one: interpret.Example) -> int:
    return places(one)[one.focus]


def sometimes(n: int, d: int, share: float, seed: int = 0) -> Tensor:
    """Random x (n, d) of which about such a share is above 0, no number twice."""
    generator = torch.Generator().manual_seed(seed)
    x = (torch.randperm(n * d, generator=generator).float() + 1).view(n, d) / 100
    return torch.where(torch.rand(n, d, generator=generator) < share, x, -x)


LENGTHS = (700, 1, 40, 23, 2, 900, 25)
X = sometimes(sum(LENGTHS), 4, 0.15)


def test_an_example_is_a_piece_of_one_text_with_the_codes_at_its_tokens():
    tokens, names = named(*LENGTHS)
    cards = feature_cards(reader(4), X, tokens, names)
    assert [card.feature for card in cards] == [0, 1, 2, 3] and all(len(card.examples) == 9 for card in cards)
    for card in cards:
        for one in card.examples:
            at = places(one)
            assert at == list(range(at[0], at[-1] + 1)) and len(tokens.file[at].unique()) == 1
            assert torch.equal(one.activations, X[at, card.feature].relu()) and one.activations[one.focus] > 0


@pytest.mark.parametrize("examples", [1, 2, 20])
def test_a_card_has_as_many_examples_as_were_asked_for_and_each_says_its_place_and_its_text(examples):
    tokens, names = named(2_000, 1_000)
    x = torch.rand(3_000, 1, generator=torch.Generator().manual_seed(0))
    (card,) = feature_cards(reader(1), x, tokens, names, examples=examples, sources=["one.py", "two.py"])
    assert len(card.examples) == examples
    assert card.examples[0].quantile == STRONGEST and (examples < 9 or card.examples[-1].quantile == WEAKEST)
    for one in card.examples:
        assert one.activations[one.focus] == x[one.place, 0] and one.source == ["one.py", "two.py"][tokens.file[one.place]]


def test_a_label_comes_with_how_often_it_holds_and_its_interval():
    tokens, names = named(300)
    labels = torch.arange(300)[:, None] % 4 == 0
    intervals = torch.tensor([[0.25, 0.75]])
    for bounds, interval in ((None, None), (intervals, (0.25, 0.75))):
        (card,) = feature_cards(reader(1), torch.ones(300, 1), tokens, names, labels=Labels(["a"], labels, scored(1, label=[0]), bounds))
        assert card.holds == 75 and card.interval == interval
    (card,) = feature_cards(reader(1), torch.ones(300, 1), tokens, names)
    assert card.holds is None and card.interval is None


def test_an_example_shows_fifteen_tokens_before_its_own_and_eight_after_as_far_as_the_text_goes():
    tokens, names = named(60, 10, 50)
    for place, first, last in ((0, 0, 24), (15, 0, 24), (16, 1, 25), (40, 25, 49), (55, 36, 60), (59, 36, 60), (65, 60, 70), (119, 96, 120)):
        x = torch.zeros(120, 1)
        x[place] = 1
        ((one,),) = (card.examples for card in feature_cards(reader(1), x, tokens, names))
        assert places(one) == list(range(first, last)) and focus(one) == place


def test_examples_go_from_strong_to_weak_over_the_whole_range():
    tokens, names = named(1_230)
    x = torch.zeros(1_230, 1)
    strengths = torch.arange(41, 0, -1.0)[torch.randperm(41, generator=torch.Generator().manual_seed(0))]
    x[::30, 0] = strengths  # far enough from each other to be shown all
    (card,) = feature_cards(reader(1), x, tokens, names)
    assert [x[focus(one), 0].item() for one in card.examples] == [41 - rank for rank in (0, 1, 2, 10, 18, 26, 34, 39, 40)]
    words = [STRONGEST] * 3 + ["8th tenth", "6th tenth", "4th tenth", "2nd tenth"] + [WEAKEST] * 2
    assert [one.quantile for one in card.examples] == words


def test_a_passage_that_comes_again_and_again_is_shown_once():
    ids = torch.arange(1_200)
    ids[:600] %= 30  # the first half is one passage of thirty tokens, twenty times over
    tokens = Tokens(ids, torch.zeros(1_200, 2, dtype=torch.int64), torch.zeros(1_200, dtype=torch.int64))
    x = torch.zeros(1_200, 1)
    x[20::30, 0] = torch.arange(40, 0, -1.0)  # the passage's are the strongest
    (card,) = feature_cards(reader(1), x, tokens, [f"t{i}" for i in range(1_200)])
    shown = [tuple(ids[one.place - 6 : one.place + 1].tolist()) for one in card.examples]
    assert len(shown) == 9 and len(set(shown)) == 9 and card.examples[0].place == 20


@unhurried
@given(st.integers(1, 400), st.integers(1, 300), st.integers(0, 99))
@example(60, 150, 0)
@example(1, 1, 0)
def test_examples_stand_in_order_say_from_which_tenth_they_are_and_show_no_other_ones_token(count, spread, seed):
    """Whether a feature is on here and there or many times in one place."""
    tokens, names = named(*LENGTHS)
    x = torch.zeros(len(names), 1)
    generator = torch.Generator().manual_seed(seed)
    on = torch.randperm(max(count, min(len(x), 4 * spread)), generator=generator)[:count]
    x[on, 0] = torch.randperm(count, generator=generator) + 1.0
    (card,) = feature_cards(reader(1), x, tokens, names)
    strengths = [x[focus(one), 0].item() for one in card.examples]
    assert strengths == sorted(strengths, reverse=True) and strengths[0] == count
    for one, strength in zip(card.examples, strengths):
        share = (count - strength) / max(1, count - 1)  # 0 for the strongest, 1 for the weakest
        tenth = {STRONGEST: 10, WEAKEST: 1}.get(one.quantile) or int(one.quantile[:-8])
        assert (10 - tenth) / 10 - 1e-9 <= share <= (11 - tenth) / 10 + 1e-9, one.quantile
        assert not {focus(other) for other in card.examples if other is not one} & set(places(one))


def test_the_last_examples_are_where_it_is_on_though_its_label_does_not_hold_and_off_though_it_does():
    tokens, names = named(*LENGTHS)
    labels = torch.rand(len(names), 3, generator=torch.Generator().manual_seed(1)) < torch.tensor([0.5, 0.02, 0.1])
    scores = scored(4, label=[1, 0, 1, 2])
    for card in feature_cards(reader(4), X, tokens, names, labels=Labels(["a", "b", "c"], labels, scores)):
        *others, wrong, last = card.examples
        assert [wrong.quantile, last.quantile] == [FALSE_ALARM, MISSED] and len(others) == 9
        assert not {FALSE_ALARM, MISSED} & {one.quantile for one in others}
        at, which = focus(last), int(scores.label[card.feature])
        assert labels[at, which] and X[at, card.feature] <= 0 and last.activations[last.focus] == 0
        assert torch.equal(last.activations, X[places(last), card.feature].relu())
        assert all(abs(at - focus(one)) >= 24 for one in others)
        assert not labels[focus(wrong), which] and X[focus(wrong), card.feature] > card.threshold


def test_where_a_label_never_fails_that_way_there_is_no_such_example():
    tokens, names = named(*LENGTHS)
    for card in feature_cards(reader(4), X, tokens, names, labels=Labels(["a"], X[:, :1] > 0, scored(4)), features=[0]):
        assert len(card.examples) == 9 and card.label == "a"


def scored(d: int, label: list[int] | None = None, **changes: list[float]) -> LabelScores:
    numbers = {name: torch.linspace(start, start + 0.2, d) for name, start in (
        ("threshold", 0.0), ("precision", 0.2), ("recall", 0.3), ("f1", 0.4), ("auroc", 0.6))}  # fmt: skip
    numbers |= {name: torch.tensor(values) for name, values in changes.items()}
    return LabelScores(torch.tensor(label or [0] * d), **numbers)


def test_a_card_has_its_label_and_scores_from_the_least_f1_on_and_no_label_below():
    tokens, names = named(*LENGTHS)
    labels = torch.rand(len(names), 2) < 0.5
    scores = scored(4, label=[1, 1, 0, 1], f1=[0.25, 0.5, 0.75, 0.125])
    cards = feature_cards(reader(4), X, tokens, names, labels=Labels(["a", "b"], labels, scores, least_f1=0.5))
    assert [card.label for card in cards] == [None, "b", "a", None]
    for card in cards[1:3]:
        for name in ("f1", "precision", "recall", "auroc", "threshold"):
            assert getattr(card, name) == getattr(scores, name)[card.feature].item()
    assert all(one.quantile != MISSED for card in cards if card.label is None for one in card.examples)


def test_a_label_that_cannot_be_told_from_others_on_the_texts_kept_aside_is_no_label():
    """One that holds nowhere there, or everywhere."""
    tokens, names = named(*LENGTHS)
    labels = torch.rand(len(names), 1) < 0.5
    scores = scored(4, auroc=[0.5, math.nan, 0.9, math.nan])
    cards = feature_cards(reader(4), X, tokens, names, labels=Labels(["a"], labels, scores))
    assert [card.label for card in cards] == ["a", None, "a", None]


def test_a_histogram_counts_all_tokens_at_which_the_feature_is_on_and_density_is_their_share():
    tokens, names = named(*LENGTHS)
    for card in feature_cards(reader(4), X, tokens, names):
        own = X[:, card.feature]
        assert card.histogram.sum() == (own > 0).sum() and card.density == (own > 0).double().mean().item()
        assert card.maximum == own.max().item()


def test_a_card_of_a_code_with_signs_counts_all_that_is_not_zero_and_can_be_shown():
    tokens, vocabulary = named(40)
    sae = SparseAutoencoder(1, 1, Drawers((1,)))
    with torch.no_grad():
        sae.W_enc.fill_(1)
        sae.W_dec.fill_(1)
    x = torch.linspace(-3, 1, 40)[:, None]
    x[5], x[20] = 0, 0
    (card,) = feature_cards(sae, x, tokens, vocabulary, unembed=torch.eye(40, 1))
    assert card.density == 38 / 40 == card.histogram.sum() / 40 and card.maximum == 3
    assert focus(card.examples[0]) == 0 and (card.examples[0].activations >= 0).all()
    assert card.suppressed[0][0] == "t0", "where it is strongest it stands on its head"
    FeatureBrowser([card])


def test_the_bins_of_a_histogram_are_of_one_width_from_0_to_the_strongest():
    tokens, names = named(30)
    x = torch.zeros(30, 1)
    x[:7, 0] = torch.tensor([24.0, 23.5, 6.5, 6.25, 6.75, 7.5, 12.5])
    (card,) = feature_cards(reader(1), x, tokens, names)
    assert {i: count for i, count in enumerate(card.histogram.tolist()) if count} == {6: 3, 7: 1, 12: 1, 23: 2}
    assert len(card.histogram) == 24 and card.density == pytest.approx(7 / 30) and card.maximum == 24


def test_a_feature_that_is_on_nowhere_has_no_card_and_is_not_switched_off():
    tokens, names = named(30)
    x = torch.full((30, 3), -1.0)
    x[4, 1] = 2
    assert [card.feature for card in feature_cards(reader(3), x, tokens, names)] == [1]
    assert feature_cards(reader(3), x, tokens, names, features=[0, 2], unembed=torch.ones(30, 3)) == []
    asleep = SparseAutoencoder(8, 4, L1(0)).requires_grad_(False)
    asleep.b_enc.fill_(-1e3)
    tokens = texts(9)
    assert feature_cards(asleep, token_activations(MODEL, PART, tokens), tokens, VOCABULARY, ablation=Ablation(MODEL, PART)) == []


def test_cards_are_of_the_features_that_were_asked_for_in_their_order():
    tokens, names = named(*LENGTHS)
    every, some = feature_cards(reader(4), X, tokens, names), feature_cards(reader(4), X, tokens, names, features=[3, 1])
    assert [card.feature for card in some] == [3, 1]
    for card in some:
        own = every[card.feature]
        assert card.maximum == own.maximum and torch.equal(card.histogram, own.histogram)
        assert [places(one) for one in card.examples] == [places(one) for one in own.examples]


def test_what_a_feature_draws_is_its_row_at_its_strongest_against_the_mean_of_all_tokens():
    tokens = texts(40, 8)
    x = token_activations(MODEL, PART, tokens)
    unembed = MODEL.unembed.weight * MODEL.norm.weight
    for card in feature_cards(SAE, x, tokens, VOCABULARY, unembed=unembed):
        strongest = SAE.encode(x)[:, card.feature].max().item()
        dots = [sum(a * b for a, b in zip(row, SAE.W_dec[card.feature].tolist())) * strongest for row in unembed.tolist()]
        mean = sum(dots) / N_TOKENS
        order = sorted(range(N_TOKENS), key=lambda j: -dots[j])
        for found, expected in ((card.promoted, order[:10]), (card.suppressed, order[::-1][:10])):
            assert [token for token, _ in found] == [VOCABULARY[j] for j in expected]
            assert [change for _, change in found] == pytest.approx([dots[j] - mean for j in expected], rel=1e-4, abs=1e-5)


def test_a_model_of_few_tokens_has_fewer_of_them_promoted_and_changed():
    model, tokens = gpt(3), texts(20, 7, n_tokens=3)
    x = token_activations(model, PART, tokens)
    (card,) = feature_cards(
        SAE, x, tokens, ["a", "b", "c"], features=[common(x)], unembed=model.unembed.weight, ablation=Ablation(model, PART, reach=20)
    )
    assert sorted(token for token, _ in card.promoted) == sorted(token for token, _ in card.suppressed) == ["a", "b", "c"]
    assert sorted(token for token, _, _ in card.effect.changed) == ["a", "b", "c"]


def test_without_what_they_need_cards_have_neither_effect_nor_label_nor_drawn_tokens():
    tokens, names = named(*LENGTHS)
    for card in feature_cards(reader(4), X, tokens, names):
        assert card.effect is None and card.label is None and card.promoted == card.suppressed == []


# Cards: what happens without the feature.


def by_hand(pieces: list[Tensor], feature: int) -> tuple[float, float, dict[int, tuple[float, float]]]:
    """The effect of switching a feature off, one piece of text and one token after the other."""
    rises: dict[bool, list[float]] = {True: [], False: []}
    before, after = [], []
    for piece in pieces:
        stream = stream_of(piece[None])[0]
        code = SAE.encode(stream)[:, feature]
        logits = [rest(one[None])[0].double() for one in (stream, stream - code[:, None] * SAE.W_dec[feature])]
        odds = [one.exp() / one.exp().sum(dim=1, keepdim=True) for one in logits]
        for at in range(len(piece)):
            on = code[at].item() > 0
            if at + 1 < len(piece):
                rises[on].append((odds[0][at, piece[at + 1]].log() - odds[1][at, piece[at + 1]].log()).item())
            if on:
                before.append(odds[0][at])
                after.append(odds[1][at])
    before, after = torch.stack(before).mean(dim=0), torch.stack(after).mean(dim=0)
    most = sorted(range(N_TOKENS), key=lambda j: -abs(after[j] - before[j]))[:4]
    on, elsewhere = (sum(values) / max(1, len(values)) for values in (rises[True], rises[False]))
    return on, elsewhere, {j: (before[j].item(), after[j].item()) for j in most}


def agrees(effect: interpret.Effect, pieces: list[Tensor], feature: int) -> None:
    on, elsewhere, changed = by_hand(pieces, feature)
    assert (effect.loss_on, effect.loss_elsewhere) == pytest.approx((on, elsewhere), rel=1e-3, abs=1e-4)
    assert [token for token, _, _ in effect.changed] == [VOCABULARY[j] for j in changed]
    for (_, *found), expected in zip(effect.changed, changed.values()):
        assert found == pytest.approx(expected, rel=1e-3, abs=1e-5)


def effects(tokens: Tokens, features: list[int], **given) -> tuple[Tensor, list[interpret.FeatureCard]]:
    x = token_activations(MODEL, PART, tokens)
    return x, feature_cards(SAE, x, tokens, VOCABULARY, features=features, ablation=Ablation(MODEL, PART, **given))


def test_an_effect_is_what_the_losses_and_odds_are_with_the_feature_and_without_it():
    """With one piece for each feature, and pieces as long as a text: the text in which the feature is strongest."""
    tokens = texts(14, 11, 9, 16, 12)
    x, cards = effects(tokens, [*range(20)], snippets=1, reach=24)
    assert len(cards) > 10 and any(abs(card.effect.loss_on) > 0.1 for card in cards)
    for card in cards:
        best = int(tokens.file[SAE.encode(x)[:, card.feature].argmax()])
        agrees(card.effect, [split(tokens)[best]], card.feature)


def test_pieces_are_spread_over_the_whole_range_of_a_feature():
    tokens = texts(*[8] * 12, seed=3)
    codes = SAE.encode(token_activations(MODEL, PART, tokens))
    feature = int((codes > 0).sum(dim=0).argmax())
    order = codes[:, feature].argsort(descending=True, stable=True)[: int((codes[:, feature] > 0).sum())]
    for snippets in (1, 2, 5):
        _, (card,) = effects(tokens, [feature], snippets=snippets, reach=12)
        chosen = [order[round(share * (len(order) - 1))] for share in torch.linspace(0, 1, snippets).tolist()]
        agrees(card.effect, [split(tokens)[int(tokens.file[at])] for at in chosen], feature)


def test_many_pieces_are_all_looked_at_and_each_counts_for_its_own_feature():
    tokens = texts(16)
    x, cards = effects(tokens, [*range(20)], reach=24)
    assert len(cards) > 10, "four pieces each, more than are looked at at a time"
    for card in cards:
        agrees(card.effect, [tokens.ids], card.feature)


@pytest.mark.parametrize("text", [0, 1])
def test_a_piece_has_two_thirds_before_the_token_that_it_was_chosen_for(text):
    lengths = [(90, 30), (30, 90)][text]
    tokens = texts(*lengths, seed=5)
    x, cards = effects(tokens, [*range(20)], snippets=1, reach=15)
    inside = 0
    for card in cards:
        place = int(SAE.encode(x)[:, card.feature].argmax())
        begin, end = (0, lengths[0]) if place < lengths[0] else (lengths[0], sum(lengths))
        first, last = max(begin, place - 10), min(max(begin, place - 10) + 15, end)
        inside += begin < first and last < end
        own = tokens.ids[first:last]
        if last == end:
            agrees(card.effect, [own], card.feature)
        else:  # the last token of the piece has a next one too
            agrees_within(card.effect, tokens.ids[first : last + 1], card.feature)
    assert inside > 3


def agrees_within(effect: interpret.Effect, piece: Tensor, feature: int) -> None:
    """As `agrees`, for a piece whose last token is looked at as a next one only."""
    on, elsewhere, _ = by_hand([piece], feature)
    assert (effect.loss_on, effect.loss_elsewhere) == pytest.approx((on, elsewhere), rel=1e-3, abs=1e-4)


def test_the_model_is_left_as_it_was():
    before = MODEL(BATCH)
    effects(texts(30), [0, 1, 2], reach=20)
    assert torch.equal(MODEL(BATCH), before) and not MODEL.blocks[0]._forward_hooks


# Cards: what fits the browser, and what does not fit together.


@unhurried
@given(
    st.lists(st.one_of(st.integers(1, 4), st.integers(1, 60)), min_size=1, max_size=5), st.integers(1, 12), st.integers(1, 12),
    st.integers(0, 2**20), st.sampled_from([0.0, 0.3]), st.booleans(),
)  # fmt: skip
@example([1], 1, 1, 0, 0.0, True)
@example([1, 1], 5, 3, 0, 0.0, False)
def test_the_browser_takes_all_cards_that_are_made(lengths, d_sae, n_tokens, seed, least_f1, rare):
    tokens, model = texts(*lengths, n_tokens=n_tokens, seed=seed), gpt(n_tokens)
    x = token_activations(model, PART, tokens)
    sae = SparseAutoencoder(8, d_sae, TopK(min(3, d_sae)) if rare else L1(0), seed=seed).requires_grad_(False)
    codes = sae.encode(x)
    labels = torch.rand(len(x), 2, generator=torch.Generator().manual_seed(seed)) < torch.tensor([0.5, 0.1])
    cards = feature_cards(
        sae, x, tokens, [f"t{i}" for i in range(n_tokens)], unembed=model.unembed.weight,
        ablation=Ablation(model, PART, reach=CONTEXT),
        labels=Labels(["a", "b"], labels, interpret.label_scores(codes, labels, codes, labels), least_f1=least_f1),
    )  # fmt: skip
    assert [card.feature for card in cards] == (codes > 0).any(dim=0).nonzero().ravel().tolist()
    if cards:
        FeatureBrowser(cards)


TOKENS = texts(20, 10)
ROWS = token_activations(MODEL, PART, TOKENS)
HOLDS = torch.ones(30, 1) > 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"x": ROWS[1:]}, "x has 29 rows; expected 30, one for each token"),
        ({"x": ROWS[:, 1:]}, "x has shape (30, 7); expected a floating-point tensor of shape (n, 8)"),
        ({"x": ROWS.tolist()}, "x is of type list"),
        ({"x": ROWS.double()}, "x has dtype torch.float64"),
        ({"x": ROWS.clone().index_fill_(0, torch.tensor([4]), math.nan)}, "x holds nan at (4, 0)"),
        ({"features": [3, 20]}, "features[1] is 20; expected at most 19, for there are d_sae = 20 features"),
        ({"features": [-1]}, "features[0] is -1"),
        ({"features": [True]}, "features[0] is True"),
        ({"features": [1.0]}, "features[0] is 1.0"),
        ({"ablation": MODEL}, "ablation is of type GPT; expected Ablation(...)"),
        ({"ablation": Ablation(MODEL, None, reach=12)}, "part is None; expected the name of a module in the model"),
        ({"ablation": Ablation(MODEL, "blocks.7", reach=12)}, "part is 'blocks.7'; expected the name of a module in the model"),
        ({"labels": HOLDS}, "labels is of type Tensor; expected Labels(...)"),
        ({"labels": Labels(["a"], HOLDS, scored(19))}, "scores are of 19 features; expected d_sae = 20"),
        ({"labels": Labels(["a"], None, scored(20))}, "holds is NoneType; expected a bool tensor of shape (30, 1)"),
        ({"labels": Labels(["a"], torch.ones(30, 1), scored(20))}, "holds is (30, 1), torch.float32; expected a bool"),
        ({"labels": Labels(["a"], HOLDS[1:], scored(20))}, "holds is (29, 1), torch.bool; expected"),
        ({"labels": Labels(["a"], HOLDS.expand(30, 2), scored(20))}, "holds is (30, 2), torch.bool; expected"),
        ({"labels": Labels([], HOLDS, scored(20))}, "holds is (30, 1), torch.bool; expected"),
        ({"labels": Labels(["a"], HOLDS, scored(20, label=[0, 3] * 10))}, "scores has label 3; expected one of the 1 in names"),
        (
            {"labels": Labels(["a"], HOLDS, scored(20), torch.ones(20))},
            "intervals is (20,); expected a tensor of shape (20, 2), a row for each feature",
        ),
        ({"vocabulary": VOCABULARY[:5]}, "vocabulary holds 5 tokens; expected at least "),
        (
            {"vocabulary": VOCABULARY + ["more"], "ablation": Ablation(MODEL, PART, reach=12)},
            "vocabulary holds 31 tokens; expected 30, as the model does",
        ),
        ({"unembed": torch.ones(30, 7)}, "unembed is (30, 7); expected a tensor of shape (30, 8), a row for each token"),
        ({"unembed": torch.ones(31, 8)}, "unembed is (31, 8); expected"),
        ({"unembed": [[1.0] * 8] * 30}, "unembed is list; expected"),
        ({"sources": []}, "sources names 0 texts; expected at least "),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes, words):
    given = {"sae": SAE, "x": ROWS, "tokens": TOKENS, "vocabulary": VOCABULARY} | changes
    assert refusal(lambda: feature_cards(**given)).startswith(words)
    assert not any(module._forward_hooks for module in MODEL.modules())


@pytest.mark.parametrize(("name", "value"), [("snippets", 0), ("snippets", 1.5), ("reach", 0), ("reach", None), ("examples", 0), ("examples", 2.5)])
def test_no_pieces_and_pieces_of_nothing_are_refused(name, value):
    examples, pieces = ({name: value}, {}) if name == "examples" else ({}, {name: value})
    ablation = Ablation(MODEL, PART, **({"snippets": 2, "reach": 12} | pieces))
    message = refusal(lambda: feature_cards(SAE, ROWS, TOKENS, VOCABULARY, ablation=ablation, **examples))
    assert message.startswith(f"{name} is {value!r}; expected a whole number of at least 1")
