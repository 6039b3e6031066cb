"""Veils what gives a guess away: the outputs of the cells with the tag `veil`, until the guess before them is made. A Sphinx extension.

The build only says what is to be veiled, and for the sake of which question; static/veil.js does it. So without scripts, in print
and in a running notebook everything is open.
"""

import html
import re

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util import logging

LOG = logging.getLogger(__name__)
#: As the chapters ask on the way: Quiz("gpt.quiz.yml", only=["gpt-predict-bits"], ...). Several questions may be asked at once.
ASKED = re.compile(r"""\bQuiz\(.*?\bonly=\[([^\]]*)\]""", re.DOTALL)


class VeilOutputs(SphinxTransform):
    """Put each output of a cell with the tag into an element that names the question that was asked last."""

    default_priority = 400

    def apply(self):
        question = None
        for cell in list(self.document.findall(nodes.container)):
            classes = cell.get("classes", [])
            if "cell" not in classes:
                continue
            if "tag_veil" in classes:
                if question is None:
                    LOG.warning("a cell has the tag 'veil', but no question is asked before it with Quiz(..., only=[...])", location=cell)
                    continue
                for output in [child for child in cell.children if "cell_output" in child.get("classes", [])]:
                    begin, end = f'<div class="veil" data-question="{html.escape(question)}">', "</div>"
                    place = cell.index(output)
                    cell[place : place + 1] = [nodes.raw("", begin, format="html"), output, nodes.raw("", end, format="html")]
            code = "\n".join(block.astext() for block in cell.findall(nodes.literal_block))
            for found in ASKED.finditer(code):
                if names := re.findall(r"""["']([^"']+)["']""", found[1]):
                    question = names[-1]


def setup(app):
    app.add_transform(VeilOutputs)
    # After the script that says under which names this book's answers are kept.
    app.add_js_file("veil.js", defer="defer", priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
