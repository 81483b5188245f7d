"""Runs the audit and prints its table."""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from coursekit.audit import files
from coursekit.audit.limits import LIMITS, Limits, PageReport
from coursekit.audit.view import served_compressed
from coursekit.book import Book
from coursekit.project import CourseError, Project

MOST_SHOWN = 60
"""Problems that are printed; the count tells of the others."""

AGAIN = 2
"""How often a page that is too slow is looked at again: other programs may have been in the way."""


def main(argv: Sequence[str]) -> int:
    """Runs the command.

    Args:
        argv: Its arguments.

    Returns:
        The exit status: 1 if a budget is exceeded.

    Raises:
        CourseError: If the site is not built, a page is not on it, or there is no browser.
    """
    parser = argparse.ArgumentParser("coursekit audit", description=__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="such as book/glossary; all")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--json", type=Path, help="where to write all that was found")
    parser.add_argument(
        "--root", type=Path, help="the course's folder (found from the current one)"
    )
    parser.add_argument("--untimed", action="store_true", help="do not measure the speed of pages")
    args = parser.parse_args(argv)
    project = Project.find(args.root)
    started = time.monotonic()
    names = [f"{page.removesuffix('.html')}.html" for page in args.pages]
    reports = audit(
        project.html, Book(project.root), names or None, jobs=args.jobs, timed=not args.untimed
    )
    print(table(reports))
    problems = [problem for report in reports for problem in report.problems()]
    if args.json:
        args.json.write_text(json.dumps([vars(r) for r in reports], indent=1) + "\n", "utf-8")
    for problem in problems[:MOST_SHOWN]:
        print(problem)
    print(f"{len(reports)} pages, {len(problems)} problems, {time.monotonic() - started:.0f} s")
    return 1 if problems else 0


def audit(
    site: Path,
    book: Book | None,
    names: Sequence[str] | None = None,
    *,
    jobs: int = 2,
    limits: Limits = LIMITS,
    timed: bool = True,
) -> list[PageReport]:
    """Looks at pages.

    Args:
        site: The folder of the built site.
        book: The book, whose withheld solutions are looked for; None for a site without any.
        names: Paths of pages on the site; all if left out.
        jobs: How many browsers work at a time.
        limits: The budgets; a page that is too slow by them is measured again.
        timed: Measure how fast pages appear, which only a machine without other work can tell.

    Returns:
        What was found, in the order of the names.

    Raises:
        CourseError: If the site is not built, a page is not on it, or no browser can be had.
    """
    if not site.is_dir():
        raise CourseError(f"there is no site in {site} yet: run `make book` first")
    pages = files.pages_of(site)
    if unknown := [name for name in names or () if name not in pages]:
        raise CourseError(f"the site has no page {', '.join(unknown)}")
    names = list(names or pages)
    with served_compressed(site) as address:
        reports = _view(site, address, names, jobs, timed=timed)
        for _ in range(AGAIN):  # one at a time, so that they do not slow each other down
            slow = [n for n in names if (reports[n].lcp or 0) > limits.lcp_seconds]
            again = _view(site, address, slow, 1, time_alone=True) if slow else {}
            for name, second in again.items():
                reports[name].lcp = min(reports[name].lcp or 0, second.lcp or 0)
    broken = files.broken_links(site, pages)
    leaks = files.leaks(book, _published(site, pages)) if book else {}
    for name in names:
        reports[name].links = broken.get(name, [])
        reports[name].leaks = leaks.pop(name, [])
    others = [PageReport(name, leaks=lines) for name, lines in leaks.items() if name not in pages]
    return [*(reports[name] for name in names), *others]


def _published(site: Path, pages: dict[str, str]) -> dict[str, str]:
    """The text of everything that a reader may load: pages, scripts, indices, notebooks."""
    texts = dict(pages)
    for path in sorted(site.rglob("*")):
        name = path.relative_to(site).as_posix()
        if path.suffix in {".js", ".json", ".ipynb", ".txt", ".md", ".inv"} and "thebe" not in name:
            text = path.read_text(encoding="utf-8", errors="ignore")
            if path.suffix == ".ipynb":  # as a reader sees it
                cells = json.loads(text)["cells"]
                text = "\n".join("".join(cell["source"]) for cell in cells)
            texts[name] = text
    return texts


def _view(
    site: Path,
    address: str,
    names: Sequence[str],
    jobs: int,
    *,
    timed: bool = True,
    time_alone: bool = False,
) -> dict[str, PageReport]:
    """Looks at pages in several browsers at a time, each in a process of its own."""
    heavy_first = sorted(names, key=lambda name: -(site / name).stat().st_size)
    parts = [heavy_first[n::jobs] for n in range(min(jobs, len(names)))]
    with ThreadPoolExecutor(max_workers=len(parts)) as pool:
        done = pool.map(lambda part: _view_part(site, address, part, timed, time_alone), parts)
    return {report.name: report for reports in done for report in reports}


def _view_part(
    site: Path, address: str, names: Sequence[str], timed: bool, time_alone: bool
) -> list[PageReport]:
    lines = [
        json.dumps(
            {
                "name": name,
                "path": str(site / name),
                "timed": timed and is_timed(name),
                "time_alone": time_alone,
            }
        )
        for name in names
    ]
    done = subprocess.run(
        [sys.executable, "-c", "from coursekit.audit import view; view.main()", address],
        input="\n".join(lines) + "\n",
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if done.returncode:
        raise CourseError(f"the browser stopped:\n{done.stderr[-3000:]}")
    return [_report(json.loads(line)) for line in done.stdout.splitlines()]


def _report(found: dict[str, Any]) -> PageReport:
    return PageReport(**found)


def is_timed(name: str) -> bool:
    """Whether a page's speed is measured: the pages of the reference all look like the first."""
    return "/api/" not in name or name.endswith("/index.html")


def table(reports: Sequence[PageReport]) -> str:
    """Writes the reports as a table.

    Args:
        reports: What was found on each page.

    Returns:
        A line per page, and the least, median and most of all.
    """
    width = max(len(report.name) for report in reports)
    columns = [name.rjust(7) for name in PageReport.FINDINGS]
    rows = [f"{'page':<{width}} {'KB':>6} {'LCP, s':>7} {' '.join(columns)}"]
    for report in reports:
        lcp = "" if report.lcp is None else f"{report.lcp:.2f}"
        counts = [f"{len(getattr(report, name)) or '.':>7}" for name in PageReport.FINDINGS]
        size = f"{report.size / 1000:.0f}"
        rows.append(f"{report.name:<{width}} {size:>6} {lcp:>7} {' '.join(counts)}")
    chapters = [r for r in reports if re.search(r"(^|/)\d[^/]*$", r.name)] or list(reports)
    for words, which in (("chapters", chapters), ("all pages", list(reports))):
        sizes = [report.size / 1000 for report in which]
        middle = statistics.median(sizes)
        times = [report.lcp for report in which if report.lcp is not None]
        rows.append(
            f"{words}: {min(sizes):.0f} to {max(sizes):.0f} KB, median {middle:.0f}"
            + (f"; LCP {min(times):.2f} to {max(times):.2f} s" if times else "")
        )
    return "\n".join(rows)
