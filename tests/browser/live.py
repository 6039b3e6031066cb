"""A page with the engine that runs a GPT in it, and what Python has in its place."""

import base64
import contextlib
import json
import math
from collections.abc import Callable
from typing import Any

import saelib
import torch
from pages import in_script
from saelib import interpret
from saelib.gpt import GPT
from saelib.hooks import changed
from saelib.widgets.base import javascript
from saelib.widgets.explorables.live_weights import pack_gpt, pack_sae
from safetensors.torch import load

NOTHING = {"gains": [], "puts": [], "at": None, "heads": [], "control": None}
ENGINE = javascript("explorables/live/worker.js")
LINK = javascript("explorables/inside/link.js")

# The page asks through the link that explorables ask through. What JSON has no word for is said in others.
PAGE = """<!doctype html>
<meta charset="utf-8">HEAD<title>The engine</title><link rel="icon" href="data:,">
<script type="module">
LINK
const [engine, module] = ENGINE;
const link = connect(engine);
const plain = (value) =>
  ArrayBuffer.isView(value) ? Array.from(value, (one) => (Number.isNaN(one) ? null : one))
  : Array.isArray(value) ? value.map(plain)
  : value && typeof value === "object" ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, plain(one)])) : value;
const bytes = (args) =>
  Object.fromEntries(Object.entries(args).map(([name, value]) => [name, value?.base64 ? Uint8Array.from(atob(value.base64), (one) => one.charCodeAt(0)) : value]));
const answered = [];
const patience = () => new Promise((resolve) => setTimeout(resolve, 60_000, { error: "no answer within a minute" }));
const ask = (kind, args) => Promise.race([patience(), link.ask(kind, bytes(args)).then(
  (answer) => (answered.push(args.session ?? kind), plain(answer)),
  (error) => ({ error: error.message }))]);
async function stream(kind, args) {
  const parts = [];
  try {
    return { ...await link.stream(kind, args, (part) => parts.push(part)), parts };
  } catch (error) {
    return { error: error.message };
  }
}
const parts = (source) => import(URL.createObjectURL(new Blob([source, module], { type: "text/javascript" })));
Object.assign(globalThis, { link, ask, stream, answered, connect, engine, plain, bytes, parts, ready: true });
</script>
"""


def page_of(*, before: str = "", after: str = "", head: str = "", link: str = LINK) -> str:
    """The page, with something before or after the engine's own text."""
    engine = in_script([f"{before}\n{ENGINE}\n{after}", "\nexport { erf, uniform, direction, readTensors };\n"])
    return PAGE.replace("HEAD", head).replace("LINK", link, 1).replace("ENGINE", engine, 1)


class Engine:
    """The engine of a page, asked from Python."""

    def __init__(self, tab, address: str):
        self.tab = tab
        tab.goto(address)
        tab.wait_for_function("globalThis.ready")

    def ask(self, kind: str, **args: Any) -> Any:
        given = {name: {"base64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value for name, value in args.items()}
        # As one text: to take apart thousands of numbers one by one would take the browser's driver seconds.
        return json.loads(self.tab.evaluate("async ([kind, args]) => JSON.stringify(await ask(kind, args))", [kind, given]))

    def all(self, *asked: tuple[str, dict]) -> list[Any]:
        """What is answered to requests that are made at once."""
        return self.tab.evaluate("(asked) => Promise.all(asked.map(([kind, args]) => ask(kind, args)))", [list(one) for one in asked])

    def write(self, **args: Any) -> dict:
        return self.tab.evaluate("(args) => stream('write', args)", args)


class Pair:
    """A GPT and its autoencoder as the page has them, in 8 bits, in Python, and what they make of a text."""

    def __init__(self, gpt: GPT, sae: saelib.SparseAutoencoder | None, block: int, tokenizer, mark: int, folder):
        self.tokenizer, self.mark, self.block = tokenizer, mark, block
        self.known: dict[str, torch.Tensor] = {}
        self.packed = {"gpt": pack_gpt(gpt), **({"sae": pack_sae(sae, block)} if sae is not None else {})}
        (folder / "gpt.safetensors").write_bytes(self.packed["gpt"])
        self.gpt = saelib.gpt.load_gpt(folder / "gpt.safetensors")
        self.sae: Any = sae
        if sae is not None:
            found = load(self.packed["sae"])
            with torch.no_grad():
                sae.W_enc.copy_((found["W_enc"].float() * found["W_enc.scale"]).T)
                sae.W_dec.copy_(found["W_dec"].float() * found["W_dec.scale"])

    def tokens(self, text: str) -> torch.Tensor:
        return torch.tensor([[self.mark, *self.tokenizer.encode(text).ids]])[:, : self.gpt.context]

    def codes(self, text: str, change: dict | None = None) -> torch.Tensor:
        """The codes at each token: (n, d_sae), under a change those of the heads that are on."""
        heads = change and {**change, "gains": [], "puts": []}
        return self.once(lambda ids: self.sae.encode(saelib.activations(self.gpt, f"blocks.{self.block}", [ids])), "codes", text, heads)

    def expects(self, text: str, change: dict | None = None, direction: torch.Tensor | None = None) -> torch.Tensor:
        """The logarithms of the probabilities of the next tokens: (n, n_tokens)."""
        return self.once(lambda ids: self.gpt(ids)[0].log_softmax(dim=1), "expects", text, change, direction)

    @torch.no_grad()
    def once(self, make: Callable[[torch.Tensor], torch.Tensor], what: str, text: str, change: dict | None, direction: torch.Tensor | None = None):
        """What `make` gives for a text under a change; for the same it is not asked again."""
        key = f"{what} {self.mark} {change} {direction} {text}"
        if key not in self.known:
            with self.under(change, direction):
                self.known[key] = make(self.tokens(text))
        return self.known[key]

    @contextlib.contextmanager
    def under(self, change: dict | None, direction: torch.Tensor | None = None):
        """While this context lasts, the GPT is changed: each vector is instead one of its length along `direction`, if given."""
        change = {**NOTHING, **(change or {})}
        with contextlib.ExitStack() as stack:
            for block, head in change["heads"]:
                wide = self.gpt.settings["d_model"] // self.gpt.settings["n_heads"]

                def silence(module, inputs, columns=slice(head * wide, (head + 1) * wide)):
                    mixed = inputs[0].clone()
                    mixed[..., columns] = 0
                    return (mixed,)

                stack.callback(self.gpt.blocks[block].attention.write.register_forward_pre_hook(silence).remove)
            if change["gains"] or change["puts"]:
                stack.enter_context(changed(self.gpt, f"blocks.{self.block}", lambda stream: self.pushed(stream[0], change, direction)[None]))
            yield

    def pushed(self, stream: torch.Tensor, change: dict, direction: torch.Tensor | None) -> torch.Tensor:
        codes, vectors = self.sae.encode(stream), torch.zeros_like(stream)
        there = torch.zeros(len(stream), dtype=torch.bool)
        for feature, gain in change["gains"]:
            vectors += interpret.steering_vectors(self.sae, codes, feature, gain=gain)
            there |= codes[:, feature] != 0
        if not change["gains"] or change["at"] is not None:
            there[:] = True
        for feature, strength in change["puts"]:
            vectors += strength * self.sae.W_dec[feature] * there[:, None]
        if direction is not None:
            vectors = vectors.norm(dim=1, keepdim=True) * direction
        if change["at"] is not None:
            vectors *= (torch.arange(len(stream)) == change["at"])[:, None]
        return stream + vectors


def codes_of(features: dict, d_sae: int) -> torch.Tensor:
    """The codes (n, d_sae) that a reading tells of."""
    start = features["start"]
    codes = torch.zeros(len(start) - 1, d_sae)
    for i, (first, end) in enumerate(zip(start, start[1:])):
        strength = torch.tensor(features["strength"][first:end])
        assert (strength.diff() <= 0).all()  # strongest first
        codes[i, features["number"][first:end]] = strength
    return codes


def expect_reading(reading: dict, ids: torch.Tensor, expected: torch.Tensor, *, close: float = 1e-3) -> None:
    """Bits, likeliest tokens and their probabilities are those that Python expects: (n, n_tokens), logarithms."""
    n = len(expected)
    assert reading["bits"][0] is None
    bits = torch.tensor(reading["bits"][1:])
    torch.testing.assert_close(bits, -expected[:-1].gather(1, ids[0, 1:, None])[:, 0] / math.log(2), rtol=0, atol=close)
    top, share = torch.tensor(reading["top"]).view(n, 10), torch.tensor(reading["share"]).view(n, 10)
    torch.testing.assert_close(share.log(), expected.gather(1, top), rtol=0, atol=close)
    torch.testing.assert_close(share.log(), expected.topk(10, dim=1).values, rtol=0, atol=close)
    assert (top[:, 0] == expected.argmax(dim=1)).float().mean() >= 0.999
    assert (share.diff(dim=1) <= 0).all() and all(len(set(row)) == 10 for row in top.tolist())
