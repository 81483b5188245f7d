"""`coursekit build`: executes what is stale and builds the site; any warning is an error."""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coursekit.labs.publish import iterate_sources
from coursekit.project import COLOUR_CODE, CourseError, Project, digest, edition, files_below

if TYPE_CHECKING:
    from coursekit.execute import Chapter

MEMORY_LIMIT_MB = 1024
"""Memory a chapter's kernel may have resident; mybinder guarantees its readers no more. The hub
edition has no limit: its models are larger."""

# what a page may be made of, besides the pages' own sources
SITE_INPUTS = (
    "_config.yml",
    "_toc.yml",
    "book",
    "code",
    "exercises",
    "benchmarks",
    "constraints.txt",
    "README.md",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "LICENSE",
)


@dataclass(frozen=True)
class SiteState:
    """What a site is built from."""

    inputs: str
    """digest of everything but the pages"""
    pages: dict[str, str]
    """digest of each page's source, by the page's name"""
    labs: str = ""
    """digest of the laboratories' scripts, which are written again whenever pages are"""

    @classmethod
    def now(cls, project: Project) -> "SiteState":
        """Reads the files as they are."""
        files = list(files_below(project.root, SITE_INPUTS))
        pages = [p for p in files if p.suffix == ".md" and p.is_relative_to(project.root / "book")]
        labs = list(iterate_sources(project.root))
        rest = sorted(set(files) - set(pages) - set(labs))
        withheld = _withheld(project)
        names = [p.relative_to(project.root).with_suffix("").as_posix() for p in pages]
        return cls(
            inputs=digest(project.root, rest, sys.version_info[:3], edition(), withheld),
            pages={
                name: hashlib.sha256(path.read_bytes()).hexdigest()
                for name, path in zip(names, pages, strict=True)
            },
            labs=digest(project.root, labs),
        )

    @classmethod
    def of_last_build(cls, project: Project) -> "SiteState | None":
        """What the present site was built from; None if there is none or its build failed."""
        if not project.site_state.exists() or not (project.html / "index.html").exists():
            return None
        return cls(**json.loads(project.site_state.read_text()))

    def changed_pages(self, last: "SiteState | None") -> list[str] | None:
        """Pages that differ from those of the last build; None if more than pages differs."""
        if last is None or last.inputs != self.inputs or last.pages.keys() != self.pages.keys():
            return None
        return [name for name, content in self.pages.items() if last.pages[name] != content]


def _withheld(project: Project) -> list[str]:
    """Which solutions are withheld today; whatever is wrong with the setting is told later."""
    import yaml

    from coursekit.withholding import withholding

    try:
        return withholding(
            yaml.safe_load((project.root / "_config.yml").read_text("utf-8"))
        ).withheld
    except (yaml.YAMLError, ValueError, AttributeError):
        return []


def main(argv: Sequence[str]) -> int:
    """Runs the command.

    Args:
        argv: Its arguments.

    Returns:
        The exit status: 0, or 1 after any failure or warning.

    Raises:
        CourseError: If the course cannot be built as it stands.
        KeyboardInterrupt: If interrupted.
    """
    args = _parser().parse_args(argv)
    project = Project.find(args.root)
    project.build.mkdir(exist_ok=True)
    with _only_one_build(project):
        return _build(project, args)


def _build(project: Project, args: argparse.Namespace) -> int:
    started = time.monotonic()
    state, last = SiteState.now(project), SiteState.of_last_build(project)
    if state == last and not args.force and not args.pages:
        print("Nothing has changed since the last build.")
        _say_where(project)
        return 0

    from sphinx_external_toc.parsing import MalformedError  # these imports take a second
    from yaml import YAMLError

    from coursekit.book import Book
    from coursekit.execute import execute_stale, read_chapters, write_log

    try:
        book = Book(project.root)
    except (YAMLError, MalformedError) as error:
        raise CourseError(f"_config.yml or _toc.yml cannot be read: {error}") from error
    chapters = read_chapters(project, book.pages, book.extensions)
    try:
        outcomes = execute_stale(
            project,
            _select(project, chapters, args.pages) if args.pages else chapters,
            jobs=args.jobs,
            force=args.force,
            cell_timeout=_cell_timeout(book.config),
            memory_limit_mb=args.memory_limit,
            say=say,
        )
    finally:
        write_log(project, chapters, args.jobs)
    if failures := [o.failure for o in outcomes if o.failure]:
        return _fail([f"{failure}\n" for failure in failures], f"{len(failures)} chapter(s)")
    if args.pages:
        print("Executed; `coursekit build` without a page's name builds the site.")
        return 0

    from coursekit import handouts
    from coursekit.website import build_site

    changed = None if args.force else state.changed_pages(last)
    pages = {path.relative_to(project.root).with_suffix("").as_posix() for path in book.pages}
    if not pages.issuperset(changed or ()):
        changed = None  # it may be a part of any page
    say("building the site" + ("" if changed is None else f"; pages changed: {', '.join(changed)}"))
    site_started = time.monotonic()
    project.site_state.unlink(missing_ok=True)  # until this build has succeeded
    warnings = build_site(project, changed_pages=changed, verbose=args.verbose)
    if warnings:
        return _fail(warnings, f"{len(warnings)} warning(s) from Sphinx")
    handouts.publish(project)
    project.site_state.write_text(json.dumps(vars(state), indent=1) + "\n")
    now = time.monotonic()
    say(f"built the site in {now - site_started:.1f} s, everything in {now - started:.1f} s")
    _say_where(project)
    return 0


def say(line: str) -> None:
    """Prints a line of progress at once and whole, whichever thread it comes from."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("coursekit build", description=__doc__)
    parser.add_argument(
        "pages",
        nargs="*",
        type=Path,
        metavar="PAGE",
        help="execute these pages only, build no site",
    )
    parser.add_argument(
        "--root", type=Path, help="the course's folder (found from the current one)"
    )
    parser.add_argument(
        "--jobs", type=int, default=_cores(), help="kernels at a time (default: one per core)"
    )
    parser.add_argument("--force", action="store_true", help="execute and build everything again")
    parser.add_argument(
        "--memory-limit",
        type=float,
        default=MEMORY_LIMIT_MB if edition() == "embedded" else float("inf"),
        metavar="MB",
        help="resident memory that a chapter's kernel may reach "
        f"(default: {MEMORY_LIMIT_MB}; none in the hub edition)",
    )
    parser.add_argument("--verbose", action="store_true", help="show Sphinx's own messages")
    return parser


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cell_timeout(config: dict[str, Any]) -> int | None:
    """Seconds that a cell may take, from `_config.yml`; Jupyter Book's -1 stands for no limit."""
    seconds = int((config.get("execute") or {}).get("timeout", 30))
    return seconds if seconds > 0 else None


def _select(
    project: Project, chapters: Sequence["Chapter"], pages: Sequence[Path]
) -> list["Chapter"]:
    by_path = {chapter.path.resolve(): chapter for chapter in chapters}
    wanted = [page.resolve() for page in pages]
    if unknown := [
        str(page) for page, path in zip(pages, wanted, strict=True) if path not in by_path
    ]:
        names = ", ".join(p.relative_to(project.root).as_posix() for p in by_path)
        raise CourseError(f"not a chapter with cells: {', '.join(unknown)} (there are: {names})")
    return [by_path[path] for path in wanted]


@contextlib.contextmanager
def _only_one_build(project: Project) -> Iterator[None]:
    """Waits for another build of the same course to end; two would spoil each other's files."""
    with (project.build / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build of this course to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fail(problems: Collection[str], summary: str) -> int:
    """Prints problems on stderr, in colour only on a terminal; returns the exit status."""
    sys.stdout.flush()
    text = "\n".join(["", *problems, "", f"build failed: {summary}"])
    print(text if sys.stderr.isatty() else COLOUR_CODE.sub("", text), file=sys.stderr)
    return 1


def _say_where(project: Project) -> None:
    say(f"Open {project.html / 'index.html'}\nor run `make serve`.")
