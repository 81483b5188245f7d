"""Every cited work carries an identifier that is well formed and fits its entry."""

import re

import pytest
from pybtex.database import parse_file

PATTERNS = {
    "eprint": r"\d{4}\.\d{4,5}",
    "doi": r"10\.\d{4,9}/\S+",
    "isbn": r"97[89]\d{10}",
    "url": r"https://\S+",
}


@pytest.fixture(scope="module")
def entries(root):
    return parse_file(str(root / "book" / "references.bib")).entries


def test_identifiers_are_well_formed(entries):
    assert entries
    for key, entry in entries.items():
        found = {name: entry.fields[name] for name in PATTERNS if name in entry.fields}
        assert found, f"{key} has none of {', '.join(PATTERNS)}"
        for name, value in found.items():
            assert re.fullmatch(PATTERNS[name], value), f"{key}: {name} = {value}"


def test_arxiv_addresses_and_numbers_agree(entries):
    for key, entry in entries.items():
        if "eprint" in entry.fields:
            assert entry.fields["archiveprefix"] == "arXiv", key
            assert entry.fields["url"] == f"https://arxiv.org/abs/{entry.fields['eprint']}", key


def test_isbn_check_digits(entries):
    for key, entry in entries.items():
        if "isbn" in entry.fields:
            digits = [int(digit) for digit in entry.fields["isbn"]]
            assert sum(digits[::2]) % 10 == (-3 * sum(digits[1::2])) % 10, key


def test_no_work_is_listed_twice(entries):
    for name in ("eprint", "doi", "isbn"):
        values = [entry.fields[name] for entry in entries.values() if name in entry.fields]
        assert len(values) == len(set(values)), name


def test_every_entry_is_cited(root, entries):
    text = "".join(path.read_text() for path in (root / "book").rglob("*.md"))
    cited = {
        key.strip()
        for keys in re.findall(r"\{cite(?::\w+)?\}`([^`]+)`", text)
        for key in keys.split(",")
    }
    assert set(entries) == cited
