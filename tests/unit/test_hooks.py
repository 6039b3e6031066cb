"""What goes through a model's parts is seen as it is, changed as asked, and the model is left as it was."""

import pytest
import torch
from hostile import refusal
from saelib import GPT, SparseAutoencoder, TopK, activations, changed
from torch import Tensor, nn
from torch.nn import functional as F

MODEL = GPT(40, 16, 3, 2, 8, seed=1).eval()
BATCHES = [torch.randint(40, shape, generator=torch.Generator().manual_seed(sum(shape))) for shape in ((3, 8), (2, 8), (1, 5))]


class Pair(nn.Module):
    """A part that puts out a tuple, as attention does elsewhere."""

    def forward(self, x: Tensor) -> tuple[Tensor, str]:
        return 2 * x, "more"


class Odd(nn.Module):
    """A model with parts of every sort."""

    def __init__(self):
        super().__init__()
        self.embed, self.pair, self.unused = nn.Embedding(40, 4), Pair(), nn.Linear(4, 4)
        self.list, self.row, self.norm = Listing(), Row(), nn.Identity()

    def forward(self, tokens: Tensor) -> tuple[Tensor, str]:
        x, more = self.pair(self.embed(tokens))
        self.list(x), self.row(x)
        return self.norm(x), more


class Listing(nn.Module):
    def forward(self, x: Tensor) -> list[Tensor]:
        return [x]


class Row(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.sum(dim=(1, 2))


def by_hand(tokens: Tensor) -> dict[str, Tensor]:
    """What each named part of the GPT puts out, the forward pass written once more."""
    seen = {"embed": MODEL.embed.weight[tokens]}
    stream = seen["embed"]
    for number, block in enumerate(MODEL.blocks):
        seen[f"blocks.{number}.attention"] = block.attention(block.norm_1(stream))
        stream = stream + seen[f"blocks.{number}.attention"]
        read = block.norm_2(stream) @ block.mlp.read.weight.T + block.mlp.read.bias
        seen[f"blocks.{number}.mlp.neurons"] = F.gelu(read)
        seen[f"blocks.{number}.mlp"] = F.gelu(read) @ block.mlp.write.weight.T + block.mlp.write.bias
        stream = seen[f"blocks.{number}"] = stream + seen[f"blocks.{number}.mlp"]
    seen["norm"] = MODEL.norm(stream)
    seen["unembed"] = seen["norm"] @ MODEL.embed.weight.T
    return seen


def hooks(model: nn.Module) -> int:
    return sum(len(module._forward_hooks) for module in model.modules())


PARTS = list(by_hand(BATCHES[0]))


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_seen_as_the_forward_pass_by_hand_has_it_a_row_for_each_token_in_order(part):
    found = activations(MODEL, part, iter(BATCHES))
    with torch.no_grad():
        expected = torch.cat([by_hand(tokens)[part].flatten(0, 1) for tokens in BATCHES])
    assert found.shape == (3 * 8 + 2 * 8 + 5, expected.shape[1])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert hooks(MODEL) == 0


def test_the_model_itself_is_a_part_too():
    found = activations(MODEL, "", BATCHES[:1])
    torch.testing.assert_close(found, MODEL(BATCHES[0]).flatten(0, 1).detach())


def test_what_was_seen_can_be_learned_from_and_holds_no_graph():
    x = activations(MODEL, "blocks.1", BATCHES)
    assert not x.requires_grad and not x.is_inference()
    sae = SparseAutoencoder(16, 30, TopK(3))
    sae.loss(x).total.backward()
    assert sae.W_dec.grad.any()


def test_what_was_seen_stays_when_the_model_goes_on_to_write_over_it():
    model = nn.Sequential(nn.Embedding(40, 4), nn.Identity(), nn.ReLU(inplace=True))
    found = activations(model, "1", BATCHES[:1])
    assert torch.equal(found, model[0].weight[BATCHES[0]].flatten(0, 1)) and (found < 0).any()


def test_what_was_seen_stays_when_the_part_writes_its_next_answer_in_the_same_place():
    class Reused(nn.Module):
        def __init__(self):
            super().__init__()
            self.part, self.place = nn.Identity(), torch.zeros(3, 8, 1)

        def forward(self, tokens: Tensor) -> Tensor:
            return self.part(self.place.copy_(tokens[:, :, None]))

    batches = [BATCHES[0], 39 - BATCHES[0]]
    assert torch.equal(activations(Reused(), "part", batches), torch.cat(batches).reshape(-1, 1).float())


def test_nothing_that_comes_after_the_part_is_run():
    run = []
    handles = [MODEL.get_submodule(part).register_forward_hook(lambda *_, part=part: run.append(part)) for part in PARTS]
    activations(MODEL, "blocks.1.attention", BATCHES)
    for handle in handles:
        handle.remove()
    before = ["embed", "blocks.0.attention", "blocks.0.mlp.neurons", "blocks.0.mlp", "blocks.0", "blocks.1.attention"]
    assert run == 3 * before and hooks(MODEL) == 0


def test_a_part_that_is_used_twice_is_seen_the_first_time():
    embed, scale = nn.Embedding(40, 4), nn.Linear(4, 4)
    model = nn.Sequential(embed, scale, nn.ReLU(), scale)
    with torch.no_grad():
        assert torch.equal(activations(model, "1", BATCHES[:1]), scale(embed(BATCHES[0])).flatten(0, 1))


def test_a_model_that_catches_its_own_errors_is_left_all_the_same():
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.rest = nn.Embedding(40, 4), nn.Linear(9, 9)

        def forward(self, tokens: Tensor) -> Tensor:
            try:
                return self.embed(tokens)
            except Exception:
                return self.rest(tokens)

    model = Careful()
    assert torch.equal(activations(model, "embed", BATCHES[:1]), model.embed.weight[BATCHES[0]].flatten(0, 1))


def test_the_first_entry_of_a_tuple_is_seen_and_changed_and_the_rest_stays():
    model = Odd()
    expected = 2 * model.embed.weight[BATCHES[0]].detach()
    assert torch.equal(activations(model, "pair", BATCHES[:1]), expected.flatten(0, 1))
    with changed(model, "pair", lambda x: x + 1):
        found, more = model(BATCHES[0])
    assert torch.equal(found, expected + 1) and more == "more"


def test_a_change_is_what_the_rest_of_the_model_reads_and_is_undone():
    tokens = BATCHES[0]
    with torch.no_grad():
        before = MODEL(tokens)
        with changed(MODEL, "blocks.1", torch.zeros_like):
            found = MODEL(tokens)
            expected = MODEL.unembed(MODEL.norm(MODEL.blocks[2](torch.zeros(3, 8, 16))))
        torch.testing.assert_close(found, expected)
        assert not torch.equal(found, before)
        assert torch.equal(MODEL(tokens), before) and hooks(MODEL) == 0


def test_a_change_that_changes_nothing_changes_nothing():
    with changed(MODEL, "blocks.0", lambda stream: stream.clone()):
        found = MODEL(BATCHES[0])
    assert torch.equal(found, MODEL(BATCHES[0]))


def test_changes_within_changes_are_made_one_after_the_other_and_seen():
    plain = activations(MODEL, "blocks.1", BATCHES[:1])
    with changed(MODEL, "blocks.1", lambda stream: stream + 1), changed(MODEL, "blocks.1", lambda stream: 3 * stream):
        torch.testing.assert_close(activations(MODEL, "blocks.1", BATCHES[:1]), 3 * (plain + 1))
    assert torch.equal(activations(MODEL, "blocks.1", BATCHES[:1]), plain)


def test_a_change_can_be_learned_through():
    shift = torch.zeros(16, requires_grad=True)
    with changed(MODEL, "blocks.0", lambda stream: stream + shift):
        F.cross_entropy(MODEL(BATCHES[0]).flatten(0, 1), BATCHES[0].flatten()).backward()
    assert shift.grad.any()
    MODEL.zero_grad()


def test_nothing_is_left_on_the_model_after_an_error():
    def broken(stream: Tensor) -> Tensor:
        raise KeyError("mine")

    with pytest.raises(KeyError), changed(MODEL, "blocks.0", broken):
        MODEL(BATCHES[0])
    assert hooks(MODEL) == 0
    with pytest.raises(KeyError), changed(MODEL, "blocks.0", lambda stream: stream):
        raise KeyError("mine")
    assert hooks(MODEL) == 0
    assert "tokens has shape" in refusal(lambda: activations(MODEL, "embed", [BATCHES[0], torch.zeros(2, 9, dtype=torch.int64)]))
    assert hooks(MODEL) == 0


@pytest.mark.parametrize(("part", "close"), [("block.2", "blocks.2"), ("blocks.1.attn", "blocks.1.attention"), ("embedding", "embed")])
def test_a_part_that_is_not_there_is_refused_with_those_that_it_may_have_meant(part, close):
    for use in (lambda: activations(MODEL, part, BATCHES), lambda: changed(MODEL, part, torch.zeros_like).__enter__()):
        message = refusal(use)
        assert message.startswith(f"part is {part!r}; expected the name of a module in the model, such as ")
        assert repr(close) in message


@pytest.mark.parametrize("part", [None, 2, ("blocks", 2), MODEL.embed, "\N{SNOWMAN}"])
def test_what_is_no_name_is_refused_at_once(part):
    assert refusal(lambda: activations(MODEL, part, BATCHES)).startswith(f"part is {part!r}; ")
    assert hooks(MODEL) == 0


def test_a_part_that_is_not_used_and_batches_that_are_none_are_refused():
    assert "part is 'unused', which put out nothing; expected a part that the model uses" in refusal(lambda: activations(Odd(), "unused", BATCHES))
    assert "batches are none, so part 'embed' put out nothing; expected at least one" in refusal(lambda: activations(MODEL, "embed", []))


def test_a_model_left_in_training_mode_is_seen_as_in_use_and_left_in_that_mode():
    model = nn.Sequential(nn.Embedding(40, 4), nn.Dropout(0.5), nn.Linear(4, 4)).train()
    model[2].eval()
    assert torch.equal(activations(model, "1", BATCHES), activations(model, "0", BATCHES))
    assert [module.training for module in model.modules()] == [True, True, True, False]
    with pytest.raises(IndexError):
        activations(model, "1", [BATCHES[0] + 40])
    assert [module.training for module in model.modules()] == [True, True, True, False]


@pytest.mark.parametrize(("part", "kind"), [("list", "list"), ("row", "Tensor")])
def test_a_part_that_puts_out_no_row_for_each_token_is_refused(part, kind):
    model = Odd()
    message = f"part is {part!r}, which puts out {kind}; expected a tensor of shape (n, t, d)"
    assert refusal(lambda: activations(model, part, BATCHES)) == message
    with changed(model, part, lambda x: x):
        assert refusal(lambda: model(BATCHES[0])) == message
    assert hooks(model) == 0


@pytest.mark.parametrize(
    ("change", "got"),
    [(lambda x: x[:, :1], "of shape (3, 1, 16)"), (lambda x: x.flatten(0, 1), "of shape (24, 16)"), (lambda x: None, "a NoneType"), (lambda x: 0.0, "a float")],
    ids=["cut", "flat", "None", "number"],
)  # fmt: skip
def test_a_change_of_the_shape_is_refused(change, got):
    with changed(MODEL, "blocks.0", change):
        message = refusal(lambda: MODEL(BATCHES[0]))
    assert message == f"change gave {got}; expected a tensor of shape (3, 8, 16), as 'blocks.0' puts out"
