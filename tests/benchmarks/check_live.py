"""The GPT in the page against PyTorch on the same 8-bit weights: all files that were kept aside, whole, in windows of its context.

    .venv/bin/python tests/benchmarks/check_live.py           # some minutes

For each window: the tokens and their places, the logarithms of the ten largest probabilities, the first guess, the bricks that are on. Then
what 8 bits cost beside 16, in bits for each byte of text.
"""

import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path.insert(0, str(TESTS / "browser"))

import chromium  # noqa: E402
import live  # noqa: E402
import saelib  # noqa: E402
import torch  # noqa: E402
from pages import serving  # noqa: E402
from saelib.data import python_files, tokenize  # noqa: E402
from saelib.gpt import SHIPPED, load_gpt, load_tokenizer  # noqa: E402
from saelib.language import bits_per_byte, token_losses  # noqa: E402
from saelib.widgets.explorables.live_tokens import pack_tokenizer  # noqa: E402

NEAR = 2e-3  # a brick so near its threshold may be on or off


def windows(text: str, tokenizer, context: int) -> list[str]:
    """The text in pieces that are a context long at most, each ending where a token does."""
    spans = tokenizer.encode(text).offsets
    ends = [spans[at - 1][1] for at in range(context - 1, len(spans), context - 1)] + [len(text)]
    return [text[start:end] for start, end in zip([0, *ends], ends) if end > start]


def main() -> None:
    whole, tokenizer = load_gpt(), load_tokenizer()
    texts = [file.text for file in python_files() if file.held_out]
    with tempfile.TemporaryDirectory() as name, chromium.launched() as browser, serving(Path(name)) as address:
        folder = Path(name)
        pair = live.Pair(whole, saelib.load(SHIPPED / "sae"), 2, tokenizer, 0, folder)
        (folder / "page.html").write_text(live.page_of(), encoding="utf-8")
        engine = live.Engine(browser.new_page(), f"{address}/page.html")
        engine.ask("load", key="book", tokenizer=pack_tokenizer(tokenizer), **pair.packed)
        places = guesses = wrong = near = on = 0
        off_by = 0.0
        for text in texts:
            for piece in windows(text, tokenizer, whole.context):
                pair.known.clear()
                reading = engine.ask("read", key="book", session="check", text=piece)
                ids = pair.tokens(piece)
                assert reading["ids"] == ids[0].tolist(), piece[:80]
                expected = pair.expects(piece)
                top, share = (torch.tensor(reading[part]).view(len(expected), 10) for part in ("top", "share"))
                off_by = max(off_by, (share.log() - expected.gather(1, top)).abs().max().item())
                guesses += int((top[:, 0] != expected.argmax(dim=1)).sum())
                codes, found = pair.codes(piece), live.codes_of(reading["features"], pair.sae.d_sae)
                differs = (codes > 0) != (found > 0)
                close = (codes + found - pair.sae.sparsity.threshold).abs() < NEAR
                wrong, near, on = wrong + int((differs & ~close).sum()), near + int((differs & close).sum()), on + int((codes > 0).sum())
                places += len(expected)
        print(f"{len(texts)} files, {places:,} places: the same tokens; log probabilities within {off_by:.1e}; {guesses} first guesses differ")
        print(f"of {on:,} bricks that are on, {wrong} differ, and {near} that are within {NEAR} of their threshold")
        read = tokenize(texts, tokenizer)
        bits = [bits_per_byte(token_losses(gpt, read), texts) for gpt in (whole, pair.gpt)]
        print(f"bits a byte: {bits[0]:.4f} in 16 bits, {bits[1]:.4f} in 8")


if __name__ == "__main__":
    main()
