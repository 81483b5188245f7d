"""The pages around the sections: links, symbols, terms, errata, spelling, the first page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from coursekit.book import Book
from coursekit.prose import lint, prose_lines

GREEK = {
    *("alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "kappa", "lambda"),
    *("mu", "nu", "xi", "pi", "rho", "sigma", "tau", "phi", "chi", "psi", "omega", "ell"),
    *("Gamma", "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega"),
}


def formulas(text: str) -> list[str]:
    """Every formula of a page's prose, in TeX."""
    text = re.sub(r"```\{code-cell\}.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    found = []
    for pattern in (r"```\{math\}\n(.*?)```", r"\$\$(.*?)\$\$", r"\$([^$\n]+)\$"):
        found += re.findall(pattern, text, re.DOTALL)
        text = re.sub(pattern, "", text, flags=re.DOTALL)
    return [re.sub(r":label:.*", "", formula) for formula in found]


def letters(formula: str) -> set[str]:
    """The letters that stand for something: Latin and Greek, without names set in text."""
    formula = re.sub(r"\\(text|mathrm|operatorname)\s*\{[^{}]*\}", "", formula)
    formula = re.sub(r"\\(begin|end)\{[^}]*\}", "", formula)
    commands = set(re.findall(r"\\([A-Za-z]+)", formula))
    return set(re.findall(r"[A-Za-z]", re.sub(r"\\[A-Za-z]+", "", formula))) | commands & GREEK


def test_letters_of_a_formula():
    assert letters(r"\hat g_\text{ref} = \mathrm{LD}(x) \cdot \theta") == {"g", "x", "theta"}


def test_every_symbol_of_the_chapters_is_in_the_notation(root: Path, book: Book) -> None:
    notation = (root / "book/notation.md").read_text(encoding="utf-8")
    parts = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", notation, re.DOTALL | re.MULTILINE))
    explained = {title: set().union(*map(letters, formulas(part))) for title, part in parts.items()}
    for section in sorted({page.stem[0] for page in book.pages if page.stem[0].isdigit()}):
        pages = [page for page in book.pages if page.stem.startswith(section)]
        used = set().union(
            *(letters(f) for page in pages for f in formulas(page.read_text(encoding="utf-8")))
        )
        titles = [title for title in parts if title.startswith(f"Section {section}")]
        known = explained["Everywhere"].union(*(explained[title] for title in titles))
        assert used <= known, f"section {section} uses {sorted(used - known)}, unexplained"


def test_every_term_of_the_glossary_is_used(root: Path, book: Book) -> None:
    glossary = (root / "book/glossary.md").read_text(encoding="utf-8")
    body = glossary.partition("```{glossary}\n")[2].partition("```")[0]
    terms = re.findall(r"^(\S.*)$", body, re.MULTILINE)
    assert len(terms) > 50
    text = "\n".join(page.read_text(encoding="utf-8") for page in book.pages)
    used = {
        (re.fullmatch(r".*<([^<>]+)>", content, re.DOTALL) or [None, content])[1].lower()
        for content in re.findall(r"\{term\}`([^`]+)`", text)
    }
    assert {term.lower() for term in terms} <= used


PAPER = re.compile(r"(Section|Sections|Appendix) [\d.A]+[^.\n]* of the paper, in plain words")


def test_each_part_of_section_2_begins_with_the_paper_in_plain_words(root: Path) -> None:
    parts = sorted((root / "book").glob("2-[1-6]-*.md"))
    parts.remove(root / "book/2-4-double-negatives.md")  # whose task is not the paper's
    assert len(parts) == 6
    for path in parts:
        text = path.read_text(encoding="utf-8")
        told = PAPER.search(text)
        assert told, f"{path.name} does not say what the paper says"
        question = text.find("```{exercise-start}")
        assert question < 0 or told.start() < question, path.name


# errata, credits


CORRECTED = (
    *("2.4", "2.5", "3.1 ii", "3.1 iii", "3.2 i", "3.2 ii", "3.3", "4.1 i", "4.2 i", "4.2"),
)
"""Where the homework of 2023 was wrong or thin."""


@pytest.fixture(scope="module")
def errata(root: Path) -> list[tuple[str, str]]:
    """Headings of the errata, each with its text."""
    text = (root / "book/errata.md").read_text(encoding="utf-8")
    return re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)


def test_everything_that_was_wrong_is_among_the_errata(errata):
    for number in CORRECTED:
        assert any(title.startswith(f"{number} ") for title, _ in errata), number


def test_each_erratum_says_what_was_wrong_and_where_it_is_taught_now(errata):
    for title, text in errata:
        assert text.strip().startswith(("**In 2023:**", "**Before:**")), title
        now = text.partition("**Now:**")[2]
        assert re.search(r"\{(ref|exercise)\}`", now), f"{title}: link to where it is taught"


def test_errata_about_the_paper_or_about_methods_have_a_source(errata):
    without = {title for title, text in errata if "{cite" not in text}
    # the derivation is its own source, and section 4 runs its experiments itself
    own = {"3.2 i", "4.1 i", "4.2 i", "4.2 The library's PPO trainer"}
    assert all(title.startswith(tuple(own)) for title in without), without


def test_the_authors_of_the_homework_are_credited_wherever_credit_is_given(root: Path) -> None:
    names = ("Joyee Chen", "Kayla Lee", "Hiva Mohammadzadeh", "Chunyuan Zheng")
    for page in ("book/credits.md", "README.md", "_config.yml"):
        assert all(name in (root / page).read_text(encoding="utf-8") for name in names), page


# links out of the book


def test_every_link_out_of_the_book_is_listed_with_a_label(root: Path, book: Book) -> None:
    """Whatever the built page of resources shows, the pages themselves are the measure."""
    for path, chapter in book.chapters.items():
        if "api" in path.parts or path.stem == "bibliography":
            continue
        for line in prose_lines(chapter):
            links = [str(t.attrs["href"]) for t in line.tokens if t.type == "link_open"]
            if any(link.startswith("http") for link in links):
                assert line.roles() & {"required", "optional"}, f"{path.name}:{line.number}"


@pytest.mark.site
def test_the_page_of_resources_has_every_link_of_every_page(pages, book: Book, root: Path) -> None:
    table = pages["book/resources.html"].select_one("article table")
    listed = {link["href"] for link in table.select("a.external, a[href^=http]")}
    for path, chapter in book.chapters.items():
        if "api" in path.parts:
            continue
        for line in prose_lines(chapter):
            links = [str(t.attrs["href"]) for t in line.tokens if t.type == "link_open"]
            assert {link for link in links if link.startswith("http")} <= listed, path.name
    for row in table.select("tbody tr"):
        assert re.match(
            r"(required|optional), \d+( to \d+)? min", row.select("td")[1].get_text(strip=True)
        )


# language


def test_the_book_passes_its_own_linter(book: Book) -> None:
    findings = [str(found) for chapter in book.chapters.values() for found in lint(chapter)]
    assert not findings, "\n".join(findings)


def test_the_book_is_spelled_right(root: Path) -> None:
    command = [sys.executable, "-m", "codespell_lib", "README.md", "CONTRIBUTING.md", "book"]
    found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
