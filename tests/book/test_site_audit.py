"""The built site keeps the budgets of the audit, on every page."""

from typing import Any

import pytest

from coursekit.audit import PageReport, audit
from coursekit.audit.command import is_timed, table
from coursekit.book import Book
from coursekit.project import Project

pytestmark = [pytest.mark.site, pytest.mark.browser]


@pytest.fixture(scope="session")
def reports(project: Project, site: Any, book: Book, browser: Any) -> list[PageReport]:
    """Every page, looked at once; `browser` skips where there is none."""
    found = audit(project.html, book)
    print(table(found))
    return found


@pytest.mark.parametrize("kind", ["weight", "largest contentful paint", *PageReport.FINDINGS])
def test_no_page_exceeds_a_budget(reports: list[PageReport], kind: str) -> None:
    problems = [p for report in reports for p in report.problems() if p.split(": ")[1] == kind]
    assert not problems, "\n".join(problems)


def test_every_page_is_looked_at(reports: list[PageReport], pages: dict[str, Any]) -> None:
    assert [report.name for report in reports] == sorted(pages)
    assert all(report.size > 10_000 for report in reports)
    timed = {report.name for report in reports if is_timed(report.name)}
    assert timed >= {name for name in pages if name.startswith("book/") and "/api/" not in name}
    assert [r.name for r in reports if r.name in timed and r.lcp is None] == []
