"""Pictures of the built pages for review: wide and narrow, light and dark.

coursekit screenshots --out DIR [PAGE...]
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from coursekit.book import Book
from coursekit.browser import open_chromium, served
from coursekit.project import CourseError, Project

SIZES = {"desktop": (1400, 900), "phone": (390, 844)}
SCHEMES = ("light", "dark")


def take(project: Project, pages: Sequence[str], out: Path, *, folds_open: bool = False) -> int:
    """Photographs pages from top to bottom.

    Args:
        project: The course, built.
        pages: Names such as `book/glossary`.
        out: Folder for the pictures; made if it is missing.
        folds_open: Open hints, expected outputs and solutions first.

    Returns:
        How many pictures were written.

    Raises:
        CourseError: If a page is not on the site, the site is not built or there is no Chromium.
    """
    for page in pages:
        if not (project.html / f"{page}.html").is_file():
            raise CourseError(f"the built site has no page {page}")
    out.mkdir(parents=True, exist_ok=True)
    count = 0
    with served(project) as site, open_chromium() as browser:
        for size, (width, height) in SIZES.items():
            for scheme in SCHEMES:
                view = browser.new_page(
                    viewport={"width": width, "height": height}, color_scheme=scheme
                )
                for page in pages:
                    view.goto(f"{site}/{page}.html", wait_until="networkidle")
                    if folds_open:
                        view.evaluate(
                            "document.querySelectorAll('details').forEach(d => d.open = 1)"
                        )
                    file = out / f"{page.replace('/', '-')}-{size}-{scheme}.png"
                    view.screenshot(path=file, full_page=True)
                    print(file)
                    count += 1
                view.close()
    return count


def main(argv: Sequence[str] | None = None) -> int:
    """Command line: photographs pages.

    Args:
        argv: Arguments without the program's name.

    Returns:
        The exit status.

    Raises:
        CourseError: As `take`.
    """
    parser = argparse.ArgumentParser(prog="coursekit screenshots", description=main.__doc__)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="such as book/glossary; all")
    parser.add_argument("--out", type=Path, required=True, help="folder for the pictures")
    parser.add_argument("--open", action="store_true", help="with hints and solutions open")
    parser.add_argument(
        "--root", type=Path, help="the course's folder (found from the current one)"
    )
    options = parser.parse_args(argv)
    project = Project.find(options.root)
    names = [p.relative_to(project.root).with_suffix("") for p in Book(project.root).pages]
    pages = options.pages or [name.as_posix() for name in names]
    take(project, pages, options.out, folds_open=options.open)
    return 0


if __name__ == "__main__":
    sys.exit(main())
