"""The book's index: where each chapter first uses a word of the glossary, beside what Sphinx collects itself (the glossary's
words, the library's names), and a place in the table of contents. A Sphinx extension."""

from docutils import nodes
from sphinx import addnodes
from sphinx.transforms import SphinxTransform


class MarkFirstUses(SphinxTransform):
    """Where a chapter first uses {term}`word`, the index leads there: under the word, by the chapter's title."""

    default_priority = 800  # before Sphinx collects the entries

    def apply(self, **kwargs):
        title = next(self.document.findall(nodes.title), None)
        # Pages of the back matter use these words to explain others.
        if title is None or not self.env.doc2path(self.env.docname).endswith(".ipynb"):
            return
        first: dict[str, addnodes.pending_xref] = {}
        for use in self.document.findall(addnodes.pending_xref):
            if use["reftype"] == "term":
                first.setdefault(use["reftarget"].lower(), use)
        for number, (word, use) in enumerate(first.items()):
            place = nodes.target("", "", ids=[f"word-{number}"])
            entry = addnodes.index(entries=[("single", f"{word}; {title.astext()}", place["ids"][0], "", None)])
            use.parent.insert(use.parent.index(use), [entry, place])


def spell_as_the_glossary(app, env):
    """A sentence may begin with "Superposition"; in the index the word stands as the glossary has it."""
    spelt = {word.lower(): word for kind, word in env.domaindata["std"]["objects"] if kind == "term"}
    for entries in env.domaindata["index"]["entries"].values():
        for i, (kind, text, *rest) in enumerate(entries):
            word, semicolon, title = text.partition("; ")
            if semicolon and rest[0].startswith("word-"):
                entries[i] = (kind, f"{spelt.get(word, word)}; {title}", *rest)


class ListIndex(SphinxTransform):
    """The index ends the table of contents. It is no file, and so _toc.yml can't name it."""

    default_priority = 200  # after sphinx_external_toc has put the table in

    def apply(self, **kwargs):
        if self.env.docname == self.config.root_doc:
            *_, contents = self.document.findall(addnodes.toctree)
            contents["entries"].append((None, "genindex"))


def setup(app):
    app.add_transform(MarkFirstUses)
    app.add_transform(ListIndex)
    app.connect("env-updated", spell_as_the_glossary)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
