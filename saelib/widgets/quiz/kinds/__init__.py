"""The kinds of questions, two files each: a `.py` that checks questions and answers, and a `.js` of its name that asks.

A further kind is two more files here, and nothing anywhere else: the classes in the `.py` are entered in its KINDS, and the
`.js` enters, under the same names, what the page does. `../kind.py` and `../kind.js` say what is expected of the two.
"""

from importlib import import_module
from pkgutil import iter_modules

from ..kind import Kind

_FILES = [found.name for found in iter_modules(__path__)]
#: The kinds by name, as questions have it in their field `kind`.
KINDS: dict[str, Kind] = {name: kind for file in _FILES for name, kind in import_module(f"{__name__}.{file}").KINDS.items()}
#: Their JavaScript, which a widget that asks questions brings along.
SCRIPTS = [f"quiz/kinds/{file}.js" for file in _FILES]
