"""An explorable as a web page of its own: one file that needs nothing else."""

import html
import json
from pathlib import Path

from ipywidgets.embed import dependency_state, embed_data

from ...files import whole
from ..base import without_comments
from .explorable import Explorable

_HOST = Path(__file__).parents[1] / "host" / "widget-host.js"
# The mode is set before anything is drawn, and follows the reader's system from then on.
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<script>{{
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {{ document.documentElement.dataset.theme = dark.matches ? "dark" : "light"; }};
  dark.addEventListener("change", follow);
  addEventListener("beforeprint", () => {{ document.documentElement.dataset.theme = "light"; }});
  addEventListener("afterprint", follow);
  follow();
}}</script>
<style>
  body {{ margin: 0 auto; padding: 1rem; max-width: 60rem; box-sizing: border-box; background: #fdfcf9; color: #2c2a27; }}
  html[data-theme="dark"] body {{ background: #171614; color: #e4dfd7; }}
  .sae {{ margin: 0 !important; }}
  body > p {{ font: 1rem/1.5 system-ui, sans-serif; }}
  @media (max-width: 480px) {{ body {{ padding: .5rem; }} }}
</style>
</head>
<body>
<noscript><p>This page needs JavaScript, which is switched off.</p></noscript>
<main><h1 style="position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden">{title}</h1>
<script type="application/vnd.jupyter.widget-view+json">{view}</script>
</main>
<script type="application/vnd.jupyter.widget-state+json">{state}</script>
<script>{host}</script>
</body>
</html>
"""


def save_html(widget: Explorable, path: str | Path) -> Path:
    """Write `widget`, as it is now, as one HTML file that works wherever it is opened and loads nothing else.

    It is written whole or not at all.
    Returns the path.
    Raises ValueError for a widget that is no explorable, and a path that does not end in .html, is a folder, or lies in a
    folder that is not there.
    """
    if not isinstance(widget, Explorable):
        raise ValueError(f"widget is of type {type(widget).__name__}; expected an explorable, such as a FeatureBrowser")
    if not isinstance(path, (str, Path)):
        raise ValueError(f"path is {path!r}; expected the name of a file that ends in .html")
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"path is {str(path)!r}, which is a folder; expected a file that ends in .html")
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"path is {str(path)!r}; expected a name that ends in .html, so that a browser opens it")
    if not path.parent.is_dir():
        raise ValueError(f"path is {str(path)!r}, but {str(path.parent)!r} is no folder; expected one that is there")
    # Of itself, embed_data would take the states of all widgets that are alive, and a notebook has many.
    data = embed_data(views=[widget], state=dependency_state([widget], drop_defaults=False))
    # A text may hold "</script>"; JSON can write "<" in another way.
    view, state = (json.dumps(part).replace("<", "\\u003c") for part in (data["view_specs"][0], data["manager_state"]))
    host = without_comments(_HOST.read_text(encoding="utf-8"))
    with whole(path) as (draft,):
        draft.write_text(_PAGE.format(title=html.escape(widget.title), view=view, state=state, host=host), encoding="utf-8")
    return path
