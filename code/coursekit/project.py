"""Where a course's files lie, and digests that say whether they changed."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

COLOUR_CODE = re.compile(r"\x1b\[[0-9;]*m")
"""What terminals read as a change of colour."""


class CourseError(Exception):
    """Something the author or reader can put right; the message says what and how."""


@dataclass(frozen=True)
class Project:
    """A course: the folder with `_config.yml` and `_toc.yml`, and what is built below it."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> "Project":
        """Finds the course that a folder belongs to.

        Args:
            start: Folder in which to look, then in each above it; the current one if left out.

        Returns:
            The course.

        Raises:
            CourseError: If no folder on the way up holds both files.
        """
        start = (start or Path.cwd()).resolve()
        for folder in (start, *start.parents):
            if (folder / "_config.yml").is_file() and (folder / "_toc.yml").is_file():
                return cls(folder)
        raise CourseError(
            f"no course found in {start} or above it: "
            "go to the folder with _config.yml and _toc.yml, or name it with --root"
        )

    @property
    def build(self) -> Path:
        """Everything that is generated."""
        return self.root / "_build"

    @property
    def html(self) -> Path:
        """The site."""
        return self.build / "html"

    @property
    def doctrees(self) -> Path:
        """What Sphinx remembers of the pages it read."""
        return self.build / ".doctrees"

    @property
    def cache(self) -> Path:
        """Executed chapters (jupyter-cache)."""
        return self.build / ".jupyter_cache"

    @property
    def execution_log(self) -> Path:
        """Seconds and memory of each chapter's execution (JSON)."""
        return self.build / "execution.json"

    @property
    def site_state(self) -> Path:
        """What the site was last built from (JSON); exists only after a build without a warning."""
        return self.build / "site.json"


def edition() -> str:
    """Which models the chapters load: `embedded` or `hub`."""
    return os.environ.get("INTERP_RL_MODELS") or "embedded"


def files_below(root: Path, names: Iterable[str]) -> Iterator[Path]:
    """Files that people write, in a fixed order.

    Args:
        root: Folder to which the names are relative.
        names: Files and folders; missing ones are passed over, as are hidden and compiled files.

    Yields:
        Paths of files.
    """
    for name in names:
        top = root / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            parts = path.relative_to(root).parts
            generated = any(p.startswith(".") or p.endswith(".egg-info") for p in parts)
            if path.is_file() and not generated and "__pycache__" not in parts:
                yield path


def digest(root: Path, files: Iterable[Path], *facts: object) -> str:
    """Fingerprint of files, by name and content, and of further facts.

    Args:
        root: Folder to which the files' names are relative.
        files: Files to read.
        facts: Anything else that counts, compared by its text.

    Returns:
        A SHA-256 digest as hexadecimal text.
    """
    total = hashlib.sha256(repr(facts).encode())
    for path in files:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"{path.relative_to(root).as_posix()} {content}\n".encode())
    return total.hexdigest()
