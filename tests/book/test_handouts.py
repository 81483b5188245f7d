"""The PDFs of the assignment: complete, without solutions where there must be none, printable."""

import re
from pathlib import Path

import pypdfium2
import pytest
from pypdf import PageObject, PdfReader

from coursekit.book import Book
from coursekit.chapter import Chapter, Directive
from coursekit.sphinx_ext.pages import student_notebook

KINDS = ("questions", "solutions")

Pdfs = dict[str, PdfReader]


@pytest.fixture(scope="module")
def pdfs(site: Path) -> Pdfs:
    return {kind: PdfReader(site / f"handouts/{kind}.pdf") for kind in KINDS}


@pytest.fixture(scope="module")
def raw(site: Path) -> dict[str, list[str]]:
    """The text of each page of each PDF."""
    found = {}
    for kind in KINDS:
        document = pypdfium2.PdfDocument(site / f"handouts/{kind}.pdf")
        found[kind] = [page.get_textpage().get_text_bounded() for page in document]
    return found


@pytest.fixture(scope="module")
def texts(raw: dict[str, list[str]]) -> dict[str, str]:
    """The words of each PDF, with nothing but letters and digits, since lines break anywhere."""
    return {kind: squeezed("".join(pages)) for kind, pages in raw.items()}


def squeezed(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)


@pytest.fixture(scope="module")
def chapters(book: Book) -> list[Chapter]:
    return [chapter for chapter in book.chapters.values() if chapter.name[0].isdigit()]


def blocks(chapters: list[Chapter], name: str) -> list[Directive]:
    return [b for c in chapters for b in c.blocks if isinstance(b, Directive) and b.name == name]


def test_every_exercise_is_in_both(texts: dict[str, str], chapters: list[Chapter]) -> None:
    numbers = [block.options["number"] for block in blocks(chapters, "exercise-start")]
    assert len(numbers) > 20
    for kind in KINDS:
        lacking = [n for n in numbers if squeezed(f"Exercise {n}") not in texts[kind]]
        assert not lacking, f"{kind}.pdf lacks exercises {lacking}"


def test_solutions_are_in_one_only(texts: dict[str, str], chapters: list[Chapter]) -> None:
    numbers = [block.argument for block in blocks(chapters, "solution-start")]
    for number in numbers:
        heading = squeezed(f"Solution of exercise {number}")
        assert heading in texts["solutions"], number
    assert "Solutionofexercise" not in texts["questions"]


def test_no_line_of_a_solutions_code_is_among_the_questions(
    texts: dict[str, str], chapters: list[Chapter], root: Path
) -> None:
    shown, secret = "", []
    for chapter in chapters:
        if not chapter.cells:
            continue
        for cell in chapter.cells:
            if "solution" in cell.tags:
                secret += [squeezed(line) for line in cell.body.splitlines() if len(line) > 45]
            else:
                shown += squeezed(cell.body)
        shown += squeezed((root / student_notebook(chapter.name)).read_text(encoding="utf-8"))
    told = [line for line in secret if line not in shown and line]  # the page shows some itself
    assert len(told) > 20
    assert not [line for line in told if line in texts["questions"]]
    found = [line for line in told if line in texts["solutions"]]
    assert len(found) > 0.95 * len(told)  # a line cut by the end of a page is not found


def test_pages_are_numbered_and_the_contents_lead_to_sections(
    pdfs: Pdfs, raw: dict[str, list[str]]
) -> None:
    for kind, pdf in pdfs.items():
        n = len(pdf.pages)
        assert f"{n} / {n}" in raw[kind][-1], kind
        titles = [item["/Title"] for item in pdf.outline if not isinstance(item, list)]
        assert any(title.startswith("2.4") for title in titles)
        assert (pdf.metadata.title or "").startswith("Circuits & Rewards")


def links(pdf: PdfReader) -> set[str]:
    notes = [note.get_object() for page in pdf.pages for note in page.get("/Annots") or []]
    return {str(note["/A"]["/URI"]) for note in notes if "/URI" in note.get("/A", {})}


def test_links_work_on_paper_and_on_screen(pdfs: Pdfs, book: Book) -> None:
    for pdf in pdfs.values():
        found = links(pdf)
        assert "https://arxiv.org/abs/2211.00593" in found
        assert all(re.match(r"https?://|mailto:", link) for link in found)
        assert any(link.startswith(f"{book.site}/book/glossary.html#") for link in found)


def has_pixels(page: PageObject) -> bool:
    parts = page["/Resources"].get("/XObject", {})
    return any(part.get_object().get("/Subtype") == "/Image" for part in parts.values())


def test_figures_are_drawings_and_not_photographs(pdfs: Pdfs) -> None:
    for kind, pdf in pdfs.items():
        photographs = [page.page_number for page in pdf.pages if has_pixels(page)]
        assert len(photographs) <= 2, (kind, photographs)  # stills of the lander are pixels


def test_mathematics_is_set(raw: dict[str, list[str]]) -> None:
    text = "".join(raw["solutions"])
    assert not re.search(r"\\(frac|mathrm|sum|log|theta|tag|begin)\b", text)
    assert not re.search(r"</?(details|summary|img)\b", text)


def test_the_first_page_links_to_the_pdfs(site: Path, pages: dict) -> None:
    links = [a["href"] for a in pages["book/index.html"].select("p.handouts a")]
    assert links == [f"../handouts/{kind}.pdf" for kind in KINDS]
    assert all((site / "book" / link).resolve().is_file() for link in links)
