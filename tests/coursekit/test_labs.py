"""Laboratories: one script from their modules, data on demand, their place on a page."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from coursekit.build import SiteState
from coursekit.chapter import read_chapter
from coursekit.labs import publish as publishing
from coursekit.labs.bundle import bundle
from coursekit.labs.publish import data_script, names, publish
from coursekit.project import CourseError, Project
from coursekit.prose import prose_lines


@pytest.fixture
def sources(tmp_path: Path) -> Callable[[dict[str, str]], Path]:
    """Writes modules; returns their folder."""

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / "book/labs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path / "book/labs"

    return write


MODULES = {
    "toy/lab.js": 'import { half, Pair as Two } from "./parts.js";\n'
    'import { base } from "../base.js";\n\n'
    "export function start() { return half(base) + new Two().n; }\n"
    'export async function load() { return loadData("toy-data"); }\n',
    "toy/parts.js": 'import { base } from "../base.js";\n'
    "export const half = (n) => n / 2;\nconst hidden = 1;\nexport class Pair { n = 2 * base; }\n",
    "base.js": "export const base = 10;\n",
}


@pytest.fixture
def run_in_node(node: str) -> Callable[[str], str]:
    """Runs a script and gives what it prints."""

    def run(script: str) -> str:
        done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return run


def test_modules_become_one_classic_script(sources: Any, run_in_node: Callable[[str], str]) -> None:
    folder = sources(MODULES)
    made = bundle({"lab": folder / "toy/lab.js"}, folder)
    assert made.exports == {"lab": ["start", "load"]}
    assert made.data == ["toy-data"]
    assert made.script.count("base = 10") == 1
    assert run_in_node(f"{made.script}\nconsole.log(lab.start(), typeof hidden)") == "25 undefined"


@pytest.mark.parametrize(
    "line, message",
    [
        ('import { a } from "./gone.js";', r'toy/lab.js:2: there is no file .*"./gone.js"'),
        ('import { thirds } from "./parts.js";', r'lab.js:2: "./parts.js" does not export thirds'),
        ('import { hidden } from "./parts.js";', "does not export hidden"),
        ('import { a } from "d3";', r'lab.js:2: "d3" is not a path inside the course'),
        ('import { a } from "../../../code/a.js";', "is not a path inside the course"),
        ('import parts from "./parts.js";', "lab.js:2: write imports on one line"),
        ("import {", "lab.js:2: write imports on one line"),
        ("export default function () {}", "lab.js:2: export a function, const or class"),
        ("export let a = 1;", "export a function, const or class"),
        ('export { base } from "../base.js";', "export a function, const or class"),
        ('  const a = await import("./parts.js");', r"lab.js:2: .*no import\(\)"),
        ("  const a = import.meta.url;", "no import.meta"),
    ],
)
def test_what_cannot_be_bundled_is_named(sources: Any, line: str, message: str) -> None:
    folder = sources(
        MODULES | {"toy/lab.js": f"// a comment\n{line}\nexport function start() {{}}\n"}
    )
    with pytest.raises(CourseError, match=message):
        bundle({"lab": folder / "toy/lab.js"}, folder)


def test_a_circle_of_imports_is_named(sources: Any) -> None:
    folder = sources(MODULES | {"base.js": 'import { half } from "./toy/parts.js";\n'})
    with pytest.raises(CourseError, match=r"circle: .*parts.js -> base.js -> toy/parts.js"):
        bundle({"lab": folder / "toy/lab.js"}, folder)


def test_comments_are_left_out_and_hold_no_imports(sources: Any) -> None:
    words = '// import (of goods)\n/**\n * import.meta, loadData("nothing")\n */\n'
    folder = sources({"toy/lab.js": f"{words}export function start() {{}}\n"})
    made = bundle({"lab": folder / "toy/lab.js"}, folder)
    assert made.exports == {"lab": ["start"]} and made.data == []
    assert "goods" not in made.script and "nothing" not in made.script


def test_text_in_a_template_is_no_comment(sources: Any, run_in_node: Callable[[str], str]) -> None:
    text = "export const start = `a\n// b\n/* c */`;\n// no `text\nexport const d = 1;\n"
    folder = sources({"toy/lab.js": text})
    made = bundle({"lab": folder / "toy/lab.js"}, folder)
    shown = run_in_node(f"{made.script}\nconsole.log(JSON.stringify([lab.start, lab.d]))")
    assert json.loads(shown) == ["a\n// b\n/* c */", 1]


def test_data_depends_on_the_module_that_makes_it_and_on_what_this_imports(tmp_path: Path) -> None:
    folder = tmp_path / publishing.MODULES
    folder.mkdir(parents=True)
    files = {"one": "from coursekit.labs.packing import a", "packing": "", "two": ""}
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    found = publishing._modules(tmp_path, "one")
    assert [path.name for path in found] == ["one.py", "packing.py"]


def test_an_unknown_laboratory_is_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(CourseError, match=r"no laboratory 'alchemy' \(there are: "):
        publish(root, "alchemy", tmp_path)


def test_a_laboratory_must_start(sources: Any, tmp_path: Path, root: Path) -> None:
    sources({"toy/lab.js": "export const a = 1;\n"})
    shutil.copy(root / "book/labs/ui.js", tmp_path / "book/labs")
    with pytest.raises(CourseError, match=r"toy/lab.js must export a function start"):
        publish(tmp_path, "toy", tmp_path / "site")


def test_data_that_nothing_makes_is_an_error(sources: Any, tmp_path: Path, root: Path) -> None:
    sources(MODULES)
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(root / name, tmp_path)
    shutil.copy(root / "book/labs/ui.js", tmp_path / "book/labs")
    with pytest.raises(CourseError, match=r"there is no code/coursekit/labs/toy_data.py"):
        publish(tmp_path, "toy", tmp_path / "site")


def test_arrays_travel_in_base64(run_in_node: Callable[[str], str]) -> None:
    script = data_script(
        "toy",
        {
            "tensor": torch.tensor([[1.5, -2.0]]),
            "ids": np.array([3, 70000]),
            "flags": torch.tensor([True, False]),
            "small": np.array([-5], dtype="int16"),
            "word": "naïve",
        },
    )
    shown = run_in_node(
        f"globalThis.labData = (name, data) => console.log(JSON.stringify([name, data]));{script}"
    )
    name, data = json.loads(shown)
    assert name == "toy" and data["word"] == "naïve"
    assert data["tensor"]["shape"] == [1, 2]
    assert [data[key]["type"] for key in ("tensor", "ids", "flags", "small")] == [
        *("float32", "int32", "uint8", "int16")
    ]
    with pytest.raises(TypeError, match="object cannot be put into a laboratory's data"):
        data_script("toy", {"a": object()})


# the directive

LAB = """\
# Toy

```{lab-start} toy
:caption: Half of _ten_ is five.
```

```{figure} half.svg
:alt: A line of ten units and one of five below it.
One line is half as long as the other.
```

| number | half |
|---|---|
| ten | five |

```{lab-end}
```
"""
FIGURE = LAB[LAB.index("```{figure}") : LAB.index("| number")]
TABLE = LAB[LAB.index("| number") : LAB.index("```{lab-end}")]


@pytest.fixture
def book(new_book: Callable[[], Any], root: Path) -> Any:
    """A book with the laboratory `toy`, which loads no data."""
    book = new_book()
    script = (
        'import { el } from "../ui.js";\nexport function start(root) { root.append(el("b")); }\n'
    )
    (book.folder / "book/labs/toy").mkdir(parents=True)
    (book.folder / "book/labs/toy/lab.js").write_text(script)
    drawing = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 2"><path d="M0 1H10"/></svg>'
    (book.folder / "book/half.svg").write_text(drawing)
    for name in ("ui.js", "labs.css", "package.json"):
        shutil.copy(root / "book/labs" / name, book.folder / "book/labs")
    return book


def test_a_page_loads_its_laboratory_and_others_do_not(book: Any) -> None:
    book.write({"index": "# Book\n", "page": LAB})
    assert book.build() == []
    page = book.page("page")
    place = page.select_one("section.lab#lab-toy[data-lab=toy]")
    assert page.find(id=place["aria-labelledby"]).select_one("em").get_text() == "ten"
    assert "Half of ten is five." in place.get_text()
    assert place.select_one(".lab-fallback table td").get_text() == "ten"
    assert place.select_one(".lab-fallback figure img")["alt"].startswith("A line of ten units")
    assert re.fullmatch(r"\.\./_static/labs/toy\.js\?v=\w{8}", place["data-script"])
    assert not page.select('script[src*="labs/"]'), "the script is loaded when the reader is near"
    assert page.select_one('link[href*="labs/labs.css"]')
    assert "labs/" not in str(book.page("index").select("script, link"))
    written = (book.html / "_static/labs/toy.js").read_text()
    assert "const lab = module" in written and 'ui.mount("toy", lab);' in written
    assert not list(book.html.rglob("lab.js"))


@pytest.mark.parametrize(
    "page, message",
    [
        (
            LAB.replace("} toy", "} alchemy"),
            r"page.md:3: .*no laboratory 'alchemy' .*there are: toy",
        ),
        (LAB.replace(":caption: Half of _ten_ is five.\n", ""), "page.md:3: .*`:caption:`"),
        (LAB.replace(FIGURE, ""), "page.md:3: .*give it a figure for readers without JavaScript"),
        (LAB.replace(TABLE, ""), "page.md:3: .*give it a table for readers without JavaScript"),
        (LAB.replace("{lab-end}", "{spoiler-end}"), "page.md:16: .*spoiler-end closes lab toy"),
        (LAB + LAB.partition("# Toy\n")[2], "page.md:19: .*only once"),
    ],
)
def test_mistakes_of_authors(book: Any, page: str, message: str) -> None:
    book.write({"index": "# Book\n", "page": page})
    warnings = book.build()
    assert any(re.search(message, warning) for warning in warnings), warnings


def test_a_script_that_cannot_be_bundled_stops_the_build(book: Any) -> None:
    from sphinx.errors import ExtensionError

    book.write({"index": "# Book\n", "page": LAB})
    broken = 'import { gone } from "../ui.js";\nexport function start() {}\n'
    (book.folder / "book/labs/toy/lab.js").write_text(broken)
    with pytest.raises(ExtensionError, match=r"laboratory toy: toy/lab.js:1: .*not export gone"):
        book.build()


def test_a_change_of_a_script_is_seen_and_needs_no_page_to_be_read_again(
    book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    book.write({"index": "# Book\n", "page": LAB})
    (book.folder / "_config.yml").write_text("title: Toy\n")
    project = Project(book.folder)
    before = SiteState.now(project)
    (book.folder / "book/labs/toy/lab.js").write_text("export function start() {}\n")
    after = SiteState.now(project)
    assert after != before
    assert after.changed_pages(before) == []
    (book.folder / "book/labs/labs.css").write_text("")
    assert SiteState.now(project) != after


def test_notebooks_and_linter_see_caption_and_fallback(book: Any) -> None:
    from coursekit.book import Book
    from coursekit.notebook_markdown import PlainMarkdown

    book.write({"index": "# Book\n", "page": LAB})
    (book.folder / "_config.yml").write_text(
        "title: Toy\nrepository: {url: https://example.org/a/b}\n"
        "parse: {myst_enable_extensions: [colon_fence]}\n"
    )
    whole = Book(book.folder)
    chapter = read_chapter(book.folder / "book/page.md", whole.extensions)
    directive = next(block for block in chapter.blocks if getattr(block, "name", "") == "lab-start")
    plain = PlainMarkdown(chapter, whole, {}).directive(directive)
    assert plain.startswith("**Laboratory.** Half of _ten_ is five.\n\nThe page has")
    assert plain.endswith("(https://a.github.io/b/book/page.html#lab-toy).")
    assert "Half of ten is five." in [line.text for line in prose_lines(chapter)]


def test_the_course_has_laboratories_that_can_be_bundled(
    root: Path, run_in_node: Callable[[str], str]
) -> None:
    folder = root / "book/labs"
    for name in names(root):
        made = bundle({"ui": folder / "ui.js", "lab": folder / name / "lab.js"}, folder)
        assert "start" in made.exports["lab"]
        run_in_node(f"new Function({json.dumps(made.script)})")  # it can be parsed
