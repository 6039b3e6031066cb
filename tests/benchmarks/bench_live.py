"""How fast the GPT in the page answers: in a worker with WebAssembly's SIMD, in one without, and on the page's own thread.

    .venv/bin/python tests/benchmarks/bench_live.py           # a minute, on a machine that does nothing else

The clock runs in the page, from the request until the answer is there. Each line: the median, and the fastest and slowest of all rounds.
"""

import statistics
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / "browser"), str(TESTS / "replication")]

import chromium  # noqa: E402
import live  # noqa: E402
import saelib  # noqa: E402
from pages import ROOT, serving  # noqa: E402
from replicate import machine  # noqa: E402
from saelib.gpt import SHIPPED, load_gpt, load_tokenizer  # noqa: E402
from saelib.widgets.explorables.live_tokens import pack_tokenizer  # noqa: E402

WAYS = {
    "worker, SIMD": "",
    "worker, plain": "",
    "page, SIMD": "delete globalThis.Worker;",
}
TIMED = """async ([text, short, rounds]) => {
    const key = "book", clock = async (what) => { const start = performance.now(); await what(); return performance.now() - start; };
    const turned = (gain, feature) => ({ gains: [[feature, gain]], puts: [], at: null, heads: [], control: null });
    const found = { cold: [], letter: [], gain: [], write: [] };
    await link.ask("read", { key, session: "warm", text });
    for (let i = 0; i < rounds; i++) {
        found.cold.push(await clock(() => link.ask("read", { key, session: `cold ${i}`, text })));
        await link.ask("forget", { session: `cold ${i}` });
    }
    const first = await link.ask("read", { key, session: "s", text: short });
    // A brick that is on early in the text, so that nearly all of it has to be read again.
    const feature = first.features.number[first.features.start[2]];
    for (let i = 0; i < rounds; i++) found.letter.push(await clock(() => link.ask("read", { key, session: "s", text: short + "x".repeat(i % 7) })));
    await link.ask("read", { key, session: "s", text: short, change: turned(2, feature) });
    for (let i = 0; i < rounds; i++) found.gain.push(await clock(() => link.ask("read", { key, session: "s", text: short, change: turned(i / 10, feature) })));
    for (let i = 0; i < 5; i++) {
        let count = 0;
        const took = await clock(() => link.stream("write", { key, session: "w", text: short.slice(0, 80), count: 150, seed: i, temperature: 0.8, columns: [null] }, (part) => { count += part.id !== undefined; }));
        found.write.push(1000 * count / took);
    }
    return found;
}"""


def main() -> None:
    tokenizer = load_tokenizer()
    source = (ROOT / "saelib" / "language.py").read_text(encoding="utf-8")
    offsets = tokenizer.encode(source).offsets
    texts = [source[: offsets[count - 2][1]] for count in (200, 100)]
    print(f"{machine()['processor']}, {machine()['cores']} cores; milliseconds, and tokens a second")
    with tempfile.TemporaryDirectory() as name, chromium.launched() as browser, serving(Path(name)) as address:
        folder = Path(name)
        pair = live.Pair(load_gpt(), saelib.load(SHIPPED / "sae"), 2, tokenizer, 0, folder)
        for way, script in WAYS.items():
            before = "globalThis.WebAssembly = undefined;" if way.endswith("plain") else ""
            (folder / "page.html").write_text(live.page_of(before=before), encoding="utf-8")
            page = browser.new_page()
            if script:
                page.add_init_script(script)
            engine = live.Engine(page, f"{address}/page.html")
            engine.ask("load", key="book", tokenizer=pack_tokenizer(tokenizer), **pair.packed)
            found = page.evaluate(TIMED, [*texts, 30])
            names = {
                "cold": "200 tokens from nothing",
                "letter": "a letter at the end of 100",
                "gain": "a gain at 100 tokens",
                "write": "tokens written a second",
            }
            for what, times in found.items():
                print(f"{way:14} {names[what]:28} {statistics.median(times):7.1f}  ({min(times):.1f} to {max(times):.1f})")
            page.close()


if __name__ == "__main__":
    main()
