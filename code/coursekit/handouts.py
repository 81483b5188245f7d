"""`coursekit handouts`: the whole assignment as PDF, once with questions only, once with solutions.

What a page holds comes from the same source as its notebook (`coursekit.notebooks`), its outputs
from the executed chapter. Pandoc turns the Markdown into Typst, and Typst sets it; both come as
Python packages, so that no LaTeX and no browser is needed. Figures stay vector graphics.
"""

import argparse
import base64
import datetime
import html
import re
import tempfile
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from typing import Literal

from nbformat import NotebookNode

from coursekit.book import Book
from coursekit.chapter import Chapter
from coursekit.notebooks import Variant, build, executed, executed_glue
from coursekit.project import CourseError, Project
from coursekit.withholding import withholding

Kind = Literal["questions", "solutions"]

KINDS: dict[Kind, Variant] = {"questions": "student", "solutions": "instructor"}
"""The PDFs there are, and the notebook each is made from."""

TEMPLATE = Path(__file__).parent / "assets" / "handout.typ"
"""Fonts, sizes, headers: how the pages look."""

READER = "commonmark_x-smart-gfm_auto_identifiers-raw_html"
"""Pandoc's reader that is closest to the site's Markdown."""

LONGEST = 60
"""More lines of a cell's output are cut."""

TEXT_WIDTH_PX = 640
"""Pixels of the site's column, to which a figure's width is in proportion."""


def main(argv: Sequence[str]) -> int:
    """Runs the command.

    Args:
        argv: Its arguments.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser("coursekit handouts", description=__doc__)
    parser.add_argument(
        "--root", type=Path, help="the course's folder (found from the current one)"
    )
    parser.add_argument("--out", type=Path, help="where to write (default: _build/handouts)")
    args = parser.parse_args(argv)
    project = Project.find(args.root)
    for kind in KINDS:
        print(f"wrote {write(project, kind, args.out or project.build / 'handouts')}")
    return 0


def publish(project: Project) -> list[Path]:
    """Puts the PDFs into the site; the one with solutions only if no solution is withheld.

    Args:
        project: The course, its site built.

    Returns:
        What was written.

    Raises:
        CourseError: As `write`.
    """
    if not _numbered(Book(project.root)):
        return []  # a book without sections has no assignment
    kinds = list(KINDS)
    if withholding(Book(project.root).config).withheld:
        kinds.remove("solutions")
    folder = project.html / "handouts"
    for stale in folder.glob("*.pdf"):
        stale.unlink()
    return [write(project, kind, folder) for kind in kinds]


def write(project: Project, kind: Kind, folder: Path) -> Path:
    """Makes one PDF.

    Args:
        project: The course; its chapters have been executed.
        kind: "questions", or "solutions" for both.
        folder: Where to put it; made if missing.

    Returns:
        The PDF's path.

    Raises:
        CourseError: If a chapter has not been executed, or holds something that cannot be set.
    """
    import typst

    book = Book(project.root)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{kind}.pdf"
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch, "handout.typ")
        source.write_text(typeset(project, book, kind, Path(scratch)), encoding="utf-8")
        try:
            typst.compile(str(source), output=str(target), font_paths=[_matplotlib_fonts()])
        except typst.TypstError as error:
            raise CourseError(f"the handout cannot be set: {error}") from error
    return target


def typeset(project: Project, book: Book, kind: Kind, scratch: Path) -> str:
    """The handout in Typst's language.

    Args:
        project: The course.
        book: Its contents.
        kind: "questions" or "solutions".
        scratch: A folder for the figures, beside which the text must stand.

    Returns:
        The text.

    Raises:
        CourseError: If a chapter has not been executed.
    """
    bodies = [
        _typst(_markdown(project, book, chapter, kind, scratch)) for chapter in _numbered(book)
    ]
    facts = {
        "title": str(book.config["title"]),
        "kind": "Questions" if kind == "questions" else "Questions and solutions",
        "site": book.site,
        "version": _version(),
        "year": str(datetime.datetime.now(datetime.UTC).year),
    }
    settings = "".join(f"#let {name} = {_quoted(text)}\n" for name, text in facts.items())
    return settings + TEMPLATE.read_text(encoding="utf-8") + "\n" + "\n\n".join(bodies)


def _numbered(book: Book) -> list[Chapter]:
    """The chapters of the course; other pages have no number in their names."""
    return [chapter for chapter in book.chapters.values() if chapter.name[0].isdigit()]


def _version() -> str:
    return metadata.version("circuits-and-rewards")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _typst(markdown: str) -> str:
    import pypandoc

    return pypandoc.convert_text(markdown, "typst", format=READER, extra_args=["--wrap=none"])


def _matplotlib_fonts() -> str:
    """Where the font of the figures lies, which comes with matplotlib."""
    import matplotlib

    return str(Path(matplotlib.get_data_path(), "fonts", "ttf"))


def _markdown(project: Project, book: Book, chapter: Chapter, kind: Kind, scratch: Path) -> str:
    """A chapter as Markdown that Pandoc reads."""
    glue, done = {}, None
    if chapter.cells:
        done = executed(project, chapter)
        if done is None:
            raise CourseError(f"{chapter.path.name} has not been executed: run `make book`")
        glue = executed_glue(project, chapter) or {}
    outputs = _outputs_by_source(done)
    figures = _Figures(scratch, chapter.name)
    pieces = []
    for cell in build(chapter, book, glue, KINDS[kind], framed=False).cells:
        if cell.cell_type == "markdown":
            pieces.append(_for_pandoc(cell.source, figures))
            continue
        if not cell.metadata.get("jupyter", {}).get("source_hidden"):
            pieces.append(_fenced(cell.source, "python"))
        shown = outputs[cell.source].popleft() if outputs[cell.source] else []
        if kind == "solutions" or "exercise" not in cell.metadata.get("course", {}):
            pieces += _shown(shown, figures)
    return "\n\n".join(pieces)


def _outputs_by_source(done: NotebookNode | None) -> dict[str, deque]:
    found: dict[str, deque] = defaultdict(deque)
    for cell in done.cells if done else ():
        if cell.cell_type == "code":
            found[cell.source.strip("\n")].append(cell.outputs)
    return found


class _Figures:
    """Writes the figures of a chapter to files."""

    def __init__(self, folder: Path, chapter: str) -> None:
        self.folder, self.chapter, self.count = folder, chapter, 0

    def add(self, content: bytes, suffix: str, alt: str, width_px: float | None = None) -> str:
        self.count += 1
        name = f"{self.chapter}-{self.count}{suffix}"
        (self.folder / name).write_bytes(content)
        share = 100 if width_px is None else min(100, round(100 * width_px / TEXT_WIDTH_PX))
        words = re.sub(r"[\[\]\\]", "", " ".join(alt.split()))
        return f"![{words}]({name}){{width={share}%}}"


def _shown(outputs: Sequence[NotebookNode], figures: _Figures) -> Iterator[str]:
    """What a cell printed and drew."""
    for output in outputs:
        data = output.get("data", {})
        if output.output_type == "stream":
            if output.name == "stdout" and output.text.strip():
                yield _fenced(output.text, "text")
        elif "text/html" in data and data["text/html"].lstrip().startswith("<svg"):
            yield _svg(data["text/html"], data.get("text/plain", ""), figures)
        elif "image/png" in data:
            content = base64.b64decode(data["image/png"])
            yield figures.add(content, ".png", data.get("text/plain", ""))
        elif "text/plain" in data and not any("papermill" in kind for kind in data):
            yield _fenced(data["text/plain"], "text")


def _svg(markup: str, alt: str, figures: _Figures) -> str:
    """A drawing without the table of its data, and with fonts that Typst has."""
    drawing = markup.lstrip().partition("</svg>")[0] + "</svg>"
    width = re.search(r"width:(\d+)px", drawing)
    drawing = re.sub(r"font-family:\s*[^;\"]*", "font-family:'DejaVu Sans'", drawing)
    drawing = drawing.replace("currentColor", "#1a1a1a")
    return figures.add(drawing.encode(), ".svg", alt, float(width[1]) if width else None)


def _fenced(text: str, language: str) -> str:
    lines = text.strip("\n").splitlines()
    if language == "text" and len(lines) > LONGEST:
        lines = [*lines[:LONGEST], "..."]
    fence = "`" * max([3, *(len(ticks) + 1 for ticks in re.findall(r"`{3,}", text))])
    return "\n".join([f"{fence}{language}", *lines, fence])


def _for_pandoc(source: str, figures: _Figures) -> str:
    """Markdown of a notebook, with the HTML in it replaced by what Pandoc can set."""

    def embedded(found: re.Match[str]) -> str:
        alt, kind, data = html.unescape(found[1]), found[2], base64.b64decode(found[3])
        if kind == "svg+xml":
            return _embedded_svg(data.decode(), alt, figures)
        return figures.add(data, f".{kind}", alt)

    def folded(found: re.Match[str]) -> str:
        lines = [f"**{found[1].strip()}**", "", *found[2].strip("\n").splitlines()]
        return "\n".join(f"> {line}".rstrip() for line in lines)

    text = re.sub(
        r'<img alt="([^"]*)"[^>]*src="data:image/([\w+]+);base64,([^"]*)">', embedded, source
    )
    text = re.sub(
        r"<details>\s*<summary>(.*?)</summary>(.*?)</details>", folded, text, flags=re.DOTALL
    )
    return re.sub(r"\\tag\{(\w+)\}", r"\\qquad (\1)", text)


def _embedded_svg(drawing: str, alt: str, figures: _Figures) -> str:
    box = re.search(r'viewBox="([\d.\s-]+)"', drawing)
    width = 1.2 * float(box[1].split()[2]) if box else None
    drawing = re.sub(r'font-family="[^"]*"', 'font-family="DejaVu Sans"', drawing)
    return figures.add(drawing.encode(), ".svg", alt, width)
