"""How a widget's JavaScript becomes one text: what is inlined, and what is refused before any page could die of it."""

import re

import pytest
from saelib.widgets import base


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """A function that writes modules by their paths, and gives the text of the last."""
    monkeypatch.setattr(base, "_HERE", tmp_path)

    def text(**files: str) -> str:
        for name, source in files.items():
            path = tmp_path / (name.replace("_", "/") + ".js")
            path.parent.mkdir(exist_ok=True)
            path.write_text(source, encoding="utf-8")
        return base.javascript(path.relative_to(tmp_path).as_posix())

    return text


def test_a_module_comes_after_those_that_it_imports_from_any_folder_and_each_comes_once(modules):
    assert (
        modules(
            shared="export const one = 1;\n",
            room_part='import { one } from "../shared.js";\nexport const two = one + one;\n',
            other_room='import { one } from "../shared.js";\nimport {\n  two,\n} from "../room/part.js";\nexport default one + two;\n',
        )
        == "const one = 1;\nconst two = one + one;\nexport default one + two;\n"
    )


def test_two_modules_that_import_each_other_come_once_each(modules):
    assert (
        modules(
            a='import { b } from "./b.js";\nexport function a() { return b; }\n',
            b='import { a } from "./a.js";\nexport function b() { return a; }\n',
        )
        == "function a() { return b; }\nfunction b() { return a; }\n"
    )


@pytest.mark.parametrize(
    "declared", ["const a = 1;", "let a;", "export const a = () => 0;", "function a() {}", "export async function a() {}", "class a {}",
                 "export function* a() {}", "let [b, a] = [1, 2];", "const { b, a } = window;"]
)  # fmt: skip
def test_a_name_that_two_files_declare_is_refused_with_both_files(modules, declared):
    words = "room/page.js: 'a' is declared in part.js too"
    with pytest.raises(ValueError, match=re.escape(words)):
        modules(part=f"{declared}\n", room_page='import { c } from "../part.js";\nconst a = 2;\n')


def test_a_name_within_a_function_is_nobody_elses(modules):
    modules(part="export const a = 1;\n", page='import { a } from "./part.js";\nfunction b() {\n  const a = 2;\n}\n')


@pytest.mark.parametrize(
    "line",
    ['import a from "./part.js";', 'import * as a from "./part.js";', 'import { a as b } from "./part.js";', 'import "./part.js";',
     'import { a } from "part";', 'import { a } from "https://example.org/part.js";', "export { a };", 'export * from "./part.js";'],
)  # fmt: skip
def test_what_can_not_be_inlined_is_refused(modules, line):
    with pytest.raises(ValueError, match=re.escape(f"page.js: got {line!r}; expected")):
        modules(part="export const a = 1;\n", page=f"{line}\n")
