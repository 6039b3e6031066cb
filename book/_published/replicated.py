"""What the runs gave: each claim in the text can be pointed at, and the page Replication has all of them. A Sphinx extension.

In a chapter a claim's words are a link, [about a fifth](claim:intro-rich-box), which reads as plain words in Jupyter.
"""

import hashlib
import html
import re
import statistics
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
import yaml
from docutils import nodes
from executed import claims_here, results
from saelib.claims import Claim, code_of, written
from saelib.widgets.quiz.table_of_contents import toc_files
from sphinx.errors import ConfigError
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

LOG = logging.getLogger(__name__)
PAGE = "book/replication"
MARK = re.compile(r"\]\(claim:([^)]*)\)")


@dataclass
class Replicated:
    """A claim, the chapter it stands in, what it came to here (None: not measured), and in each run."""

    claim: Claim
    chapter: str
    here: float | None
    runs: list[float | None] = field(default_factory=list)

    @property
    def there(self) -> list[float]:
        return [value for value in self.runs if value is not None]

    @property
    def held(self) -> int:
        return sum(map(self.claim.holds, self.there))

    @property
    def otherwise(self) -> bool:
        """Whether it came out otherwise on the machine that this book was built on."""
        return self.here is not None and not self.claim.holds(self.here)

    def span(self) -> str:
        low, high = (self.claim.shown(end) for end in (min(self.there), max(self.there)))
        return low if low == high else f"{low} to {high}"

    def note(self) -> str:
        """What pointing at it says."""
        parts = []
        if self.here is not None:
            parts.append(f"{self.claim.shown(self.here)} here")
        if self.there:
            parts.append(f"{self.span()} in {len(self.runs)} runs")
        text = "; ".join(parts) or "not measured yet"
        if self.otherwise:
            text += f". On the machine that built this page it came out otherwise: the text says {self.claim.bounds}"
        return f"{text}."


def read_claims(root: Path, config) -> dict[str, Replicated]:
    """All claims of the book by name, in the order of the chapters' files and of the text in them."""
    found: dict[str, Replicated] = {}
    runs = results(root)
    for notebook in in_order(root):
        here, values = claims_here(config, notebook), runs.get(notebook.stem, {"values": {}})["values"]
        try:
            claims = written(code_of(notebook))
        except ValueError as error:
            raise ConfigError(f"{notebook.name}: {error}") from error
        for claim in claims:
            if claim.name in found:
                raise ConfigError(
                    f"the claim {claim.name!r} is made in {found[claim.name].chapter} and again in {notebook.stem}; expected a name of its own"
                )
            found[claim.name] = Replicated(claim, notebook.stem, here.get(claim.name), values.get(claim.name, []))
    return found


def claims_of(app) -> dict[str, Replicated]:
    """Those that `load` has read."""
    return app.published_claims


def in_order(root: Path) -> list[Path]:
    """The notebooks in the order of the table of contents."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return [path for name in toc_files(toc) if (path := root / f"{name}.ipynb").is_file()]


def quiz_claims(root: Path, chapter: str) -> list[str]:
    """The claims that a chapter's questions link to; the chapter of all questions has those of all."""
    files = sorted((root / "book").glob("*.quiz.yml")) if chapter == "quiz" else [root / "book" / f"{chapter}.quiz.yml"]
    return [name for file in files if file.is_file() for name in MARK.findall(file.read_text(encoding="utf-8"))]


class claim_mark(nodes.Inline, nodes.TextElement):
    """Words in the text that rest on a claim."""


class claim_notes(nodes.General, nodes.Element):
    """At the end of a page: what the runs gave for each claim on it. Marks point to it; print shows it."""


class MarkClaims(SphinxTransform):
    """Make links to claims into marks, numbered through the page, and add the notes that they point to."""

    default_priority = 20

    def apply(self):
        claims, root = claims_of(self.app), Path(self.app.srcdir)
        names = []

        def known(name: str, where) -> bool:
            if name not in claims:
                LOG.warning(f"no claim has the name {name!r}", location=where)
            return name in claims

        for link in list(self.document.findall(nodes.reference)):
            if not link.get("refuri", "").startswith("claim:"):
                continue
            name = link["refuri"].removeprefix("claim:")
            mark = claim_mark("", "", *link.children)
            if known(name, link):
                names += [name] if name not in names else []
                mark["claim"], mark["number"] = name, names.index(name) + 1
            link.replace_self(mark)
        marked = len(names)
        for name in quiz_claims(root, Path(self.env.docname).name):
            if name not in names and known(name, self.env.docname):
                names.append(name)
        if names:
            notes = claim_notes()
            notes["claims"], notes["marked"] = names, marked
            self.document += notes


def visit_mark(self, node):
    if "claim" not in node:
        return
    name = node["claim"]
    page = self.builder.get_relative_uri(self.docnames[0] if hasattr(self, "docnames") else self.builder.current_docname, PAGE)
    otherwise = " claim-otherwise" if claims_of(self.builder.app)[name].otherwise else ""
    self.body.append(f'<a class="claim-mark{otherwise}" data-claim="{name}" href="{page}#{name}" aria-describedby="claim-{name}">')


def depart_mark(self, node):
    if "claim" in node:
        self.body.append(f'</a><sup class="claim-number">{node["number"]}</sup>')


def visit_notes(self, node):
    claims = claims_of(self.builder.app)
    lines = [
        f'<li id="claim-{name}"{"" if i < node["marked"] else " hidden"}>{html.escape(claims[name].note())}</li>'
        for i, name in enumerate(node["claims"])
    ]
    page = self.builder.get_relative_uri(self.builder.current_docname, PAGE)
    self.body.append(
        f'<section class="claim-notes" data-page="{page}"><p>Measured: on the machine that built this page, and over many runs with other seeds and arithmetic</p>'
        f"<ol>{''.join(lines)}</ol></section>\n"
    )
    raise nodes.SkipNode


def skip(self, node):
    raise nodes.SkipNode


def leave(self, node):
    pass


def picture(one: Replicated) -> str:
    """A dot for each run, the bounds as lines, a ring for this build: an inline SVG."""
    claim, width, height, edge = one.claim, 240, 44, 8
    ends = [end for end in (claim.above, claim.below) if end is not None]
    values = one.there + ends + ([one.here] if one.here is not None else [])
    low, high = min(values), max(values)
    room = (high - low or abs(high) or 1) * 0.06

    def x(value: float) -> float:
        return round(edge + (value - low + room) / (high - low + 2 * room) * (width - 2 * edge), 1)

    # Fifteen rows, so that dots of the same value stand beside each other and all of them are seen.
    dots = "".join(f"M{x(value)} {7 + (7 * i) % 15 * 2}h0" for i, value in enumerate(one.there))
    bounds = "".join(f'<path class="bound" d="M{x(end)} 1V{height - 1}"/>' for end in ends)
    here = f'<circle class="here" cx="{x(one.here)}" cy="{height / 2:g}" r="5"/>' if one.here is not None else ""
    words = (
        f"{len(one.there)} dots from {claim.shown(min(one.there))} to {claim.shown(max(one.there))}, bounds: {claim.bounds}"
        if one.there
        else f"No runs yet; bounds: {claim.bounds}"
    )
    return f'<svg class="claim-runs" viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(words)}">{bounds}<path class="dots" d="{dots}"/>{here}</svg>'


class AllClaims(SphinxDirective):
    """All claims, chapter by chapter: a picture and the numbers for each."""

    def run(self):
        titles: dict[str, list[Replicated]] = {}
        for one in claims_of(self.env.app).values():
            titles.setdefault(one.chapter, []).append(one)
        found = []
        for chapter, own in titles.items():
            section = nodes.section(ids=[f"claims-{chapter}"])
            title = next(
                cell.source
                for cell in nbformat.read(Path(self.env.srcdir, "book", f"{chapter}.ipynb"), as_version=4).cells
                if cell.source.startswith("# ")
            )
            section += nodes.title("", title.splitlines()[0].removeprefix("# "))
            rows = "".join(self.row(one) for one in own)
            section += nodes.raw(
                "",
                '<table class="claims"><thead><tr><th scope="col">Claim</th><th scope="col">Runs</th><th scope="col">Bounds</th>'
                f'<th scope="col">Smallest to largest (median)</th><th scope="col">Held</th></tr></thead><tbody>{rows}</tbody></table>',
                format="html",
            )
            found.append(section)
        return found

    def row(self, one: Replicated) -> str:
        claim, there = one.claim, one.there
        bounds = claim.bounds
        if claim.above is not None and claim.below is not None:
            bounds = f"{claim.exactly(claim.above)} to {claim.exactly(claim.below)}"
        spread = f"{one.span()} ({claim.shown(statistics.median(there))})" if there else "not run yet"
        here = f"; {claim.shown(one.here)} here" if one.here is not None else ""
        otherwise = '<br><strong class="claim-otherwise">came out otherwise when this page was built</strong>' if one.otherwise else ""
        return (
            f'<tr id="{claim.name}"><th scope="row">{html.escape(claim.words)}{otherwise}</th><td>{picture(one)}</td><td data-label="Bounds">{html.escape(bounds)}</td>'
            f'<td data-label="Runs">{html.escape(spread + here)}</td><td data-label="Held">{one.held} of {len(one.runs)}</td></tr>'
        )


def load(app, config):
    claims = read_claims(Path(app.srcdir), config)
    app.published_claims = claims
    config.claims_key = hashlib.sha256(repr(claims).encode() + Path(__file__).read_bytes()).hexdigest()


def tell(app, exception):
    """Write down for the end of the build which claims came out otherwise on this machine. None of them stops it."""
    if exception is None:
        lines = [
            f"  {one.chapter}: {one.claim.otherwise(one.here).split('. ', 1)[1]}"
            for one in claims_of(app).values()
            if one.here is not None and one.otherwise
        ]
        said = ["On this machine these claims came out otherwise; the pages say so at their place:", *lines] if lines else []
        (Path(app.outdir).parent / "otherwise.txt").write_text("".join(f"{line}\n" for line in said), encoding="utf-8")


def setup(app):
    app.add_config_value("claims_key", "", "env", str)  # with other numbers, every page is read again
    app.add_node(claim_mark, html=(visit_mark, depart_mark), text=(leave, leave), latex=(leave, leave))
    app.add_node(claim_notes, html=(visit_notes, leave), text=(skip, leave), latex=(skip, leave))
    app.add_transform(MarkClaims)
    app.add_directive("replication", AllClaims)
    app.add_js_file("claims.js", defer="defer")
    app.connect("config-inited", load, priority=950)  # after executed.py has run what was not run yet
    app.connect("build-finished", tell)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
