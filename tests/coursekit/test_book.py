"""What pages know of each other."""

from pathlib import Path

import pytest

from coursekit.book import Book
from coursekit.project import CourseError

CONFIG = "title: T\nrepository: {url: 'https://github.com/someone/toy.git'}\n"
TOC = """\
format: jb-book
root: book/index
parts:
  - caption: One
    chapters:
      - file: book/1-sums
        sections: [{file: book/1-1-more}]
  - caption: Two
    chapters: [{url: "https://elsewhere.example"}, {glob: book/api/toy*}]
"""


def make(root: Path, config: str = CONFIG, **files: str) -> Book:
    texts = {
        "_config.yml": config,
        "_toc.yml": TOC,
        "book/api/toy.b.md": "# B",
        "book/api/toy.a.md": "# A",
    }
    for name, text in {**texts, **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return Book(root)


def test_pages_stand_in_reading_order_with_patterns_filled_in(tmp_path: Path) -> None:
    names = [p.relative_to(tmp_path / "book").as_posix() for p in make(tmp_path).pages]
    assert names == ["index.md", "1-sums.md", "1-1-more.md", "api/toy.a.md", "api/toy.b.md"]


def test_site_is_github_pages_unless_the_configuration_says_otherwise(tmp_path: Path) -> None:
    assert make(tmp_path).site == "https://someone.github.io/toy"
    assert make(tmp_path).repository == "https://github.com/someone/toy"
    other = make(tmp_path, CONFIG + "html: {baseurl: 'https://toy.example/'}\n")
    assert other.site == "https://toy.example"
    assert other.url(tmp_path / "book/1-sums.md", "x") == "https://toy.example/book/1-sums.html#x"


def test_labels_of_headings_figures_and_exercises(tmp_path: Path) -> None:
    text = (
        "(top)=\n(also)=\n# On `code` and {term}`it <thing>`\n\n(here)=\nText.\n\n"
        "(part)=\n## A part {optional}`2 min`\n\n"
        "```{figure} a.svg\n:name: fig-a\n```\n\n"
        "```{code-cell}\n---\nmystnb:\n  figure:\n    name: fig-b\n---\nx\n```\n\n"
        "```{exercise-start} A\n:number: 3.1 ii\n```\n"
    )
    labels = make(tmp_path, **{"book/1-sums.md": text}).labels
    titles = {label: target.title for label, target in labels.items()}
    assert titles["top"] == titles["also"] == "On code and it"
    assert titles["part"] == "A part"  # the label is no part of a link's words
    assert titles["here"] == "" and titles["fig-a"] == "Figure 1" and titles["fig-b"] == "Figure 2"
    assert titles["exercise-3-1-ii"] == "Exercise 3.1 ii"
    assert labels["fig-a"].url == "https://someone.github.io/toy/book/1-sums.html#fig-a"


def test_a_bibliography_that_is_missing_is_named(tmp_path: Path) -> None:
    book = make(tmp_path, CONFIG + "bibtex_bibfiles: [book/none.bib]\n")
    with pytest.raises(CourseError, match=r"book/none\.bib does not exist"):
        _ = book.references


def test_references_have_authors_year_and_address(tmp_path: Path) -> None:
    entries = (
        "@article{one, author={Ada, A.}, year=1843, doi={10.1/x}}\n"
        "@article{two, author={Ada, A. and Bee, B.}, year=1844, url={https://two.example}}\n"
        "@article{many, author={Ada, A. and Bee, B. and Cee, C.}, year=1845}\n"
    )
    book = make(tmp_path, CONFIG + "bibtex_bibfiles: [a.bib]\n", **{"a.bib": entries})
    assert book.references["one"] == ("Ada, 1843", "https://doi.org/10.1/x")
    assert book.references["two"] == ("Ada and Bee, 1844", "https://two.example")
    assert book.references["many"] == ("Ada et al., 1845", "")
