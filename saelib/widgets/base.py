"""What all widgets share: how a widget's JavaScript becomes one text, and its style sheet."""

import re
from os.path import normpath
from pathlib import Path

import rcssmin

_HERE = Path(__file__).parent
# The one form of import there is: names as they are exported, from a file that lies beside this one or in another room.
_IMPORT = re.compile(r'^import \{\s*[\w$]+(?:,\s*[\w$]+)*,?\s*\} from "(\.\.?/[\w./-]+\.js)";\n', re.MULTILINE)
_OTHER_FORM = re.compile(r"^(?:import\b|export [*{]).*", re.MULTILINE)
_DECLARED = re.compile(r"^(?:export )?(?:default )?(?:async )?(?:function\*?|class|const|let|var) ([\w$]+|\[[^\]]*\]|\{[^}]*\})", re.MULTILINE)


def javascript(*names: str) -> str:
    """The ES modules `names`, paths from this folder, as one text, with the modules that they import inlined before them.

    A widget travels as a single text (in a notebook's state there is no folder to import from), so an import of another file
    becomes that file itself, once, and its `export`s become plain declarations. Comments stay behind: with the types in them,
    they are a third of what would travel. No bundler does this, since it would have to be installed wherever saelib is
    imported, or else its output be committed beside what it was made from.

    Raises ValueError for an import or export that can't be inlined so, and for a name that two of the files declare.
    """
    homes: dict[str, str] = {}  # what is declared at the top of a file, and in which
    seen: set[Path] = set()

    def inline(path: Path) -> str:
        if path in seen:
            return ""
        seen.add(path)
        file, source = path.relative_to(_HERE).as_posix(), path.read_text(encoding="utf-8")
        imported = "".join(inline(Path(normpath(path.parent / other))) for other in _IMPORT.findall(source))
        own = _IMPORT.sub("", source)
        if found := _OTHER_FORM.search(own):
            raise ValueError(f'{file}: got {found[0]!r}; expected import {{ a, b }} from "./file.js"; and export before a declaration')
        for name in re.findall(r"[\w$]+", " ".join(_DECLARED.findall(own))):
            if (other := homes.setdefault(name, file)) != file:
                raise ValueError(f"{file}: {name!r} is declared in {other} too, and the two files meet in one text; expected two names")
        return imported + re.sub(r"^export (?!default)", "", own, flags=re.MULTILINE)

    return without_comments("".join(inline(_HERE / name) for name in names))


def without_comments(script: str) -> str:
    """Our own JavaScript without JSDoc, comments that have lines of their own, and indentation.

    Not the work of a minifier: those that were tried take spaces out of template strings that stand in one another.
    """
    script = re.sub(r"/\*\*.*?\*/[ \n]*", "", script, flags=re.DOTALL)
    return re.sub(r"^[ \t]*(//[^\n]*)?\n?", "", script, flags=re.MULTILINE)


def style(*names: str) -> str:
    """The style sheets `names`, paths from this folder, as one text without comments."""
    return rcssmin.cssmin("".join((_HERE / name).read_text(encoding="utf-8") for name in names))
