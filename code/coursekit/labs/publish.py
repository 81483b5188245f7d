"""Writes the scripts and the data of laboratories where pages load them."""

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from coursekit.labs.bundle import Bundle, bundle
from coursekit.project import CourseError, digest, files_below

SOURCES = Path("book", "labs")
"""Folder of the laboratories, below the course's folder."""

STYLE = "labs.css"
"""Their style sheet, in that folder."""

DATA_INPUTS = ("code/interp_rl", "constraints.txt")
"""What all data is made from, besides the module that makes it."""

MODULES = Path("code", "coursekit", "labs")
"""Folder of these modules."""


def names(root: Path) -> list[str]:
    """The laboratories there are.

    Args:
        root: The course's folder.

    Returns:
        Their names, in order.
    """
    return sorted(path.parent.name for path in (root / SOURCES).glob("*/lab.js"))


def publish(root: Path, name: str, folder: Path) -> Bundle:
    """Writes a laboratory's script `NAME.js`, the style sheet and its data into a folder.

    Args:
        root: The course's folder.
        name: The laboratory's.
        folder: Where to write, `_static/labs` of the site; made if missing.

    Returns:
        What the script is made of.

    Raises:
        CourseError: If there is no such laboratory, it exports no function `start`, its modules
            cannot be bundled, or its data cannot be made.
    """
    entry = root / SOURCES / name / "lab.js"
    if not entry.is_file():
        there_are = ", ".join(names(root)) or "none"
        raise CourseError(f"there is no laboratory {name!r} (there are: {there_are})")
    sources = root / SOURCES
    made = bundle({"ui": sources / "ui.js", "lab": entry}, sources)
    if "start" not in made.exports["lab"]:
        raise CourseError(f"{SOURCES / name / 'lab.js'} must export a function start(root, data)")
    versions = {data: _publish_data(root, data, folder) for data in made.data}
    addresses = {data: f"data/{data}.js?v={version}" for data, version in versions.items()}
    script = (
        '(() => {\n"use strict";\n'
        "const labs = (globalThis.labs ??= {});\n"
        "labs.base ??= document.currentScript?.src;\n"
        f"Object.assign((labs.addresses ??= {{}}), {json.dumps(addresses)});\n\n"
        f'{made.script}ui.mount("{name}", lab);\n}})();\n'
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.js").write_text(script, encoding="utf-8")
    shutil.copy(root / SOURCES / STYLE, folder / STYLE)
    return made


def _publish_data(root: Path, name: str, folder: Path) -> str:
    """Makes `data/NAME.js`, or takes the one that was made from the same files; returns a version.

    It is made in a process of its own, which gives its memory back when it ends.
    """
    inputs = [*files_below(root, DATA_INPUTS), *_modules(root, name.replace("-", "_"))]
    made_from = digest(root, inputs, sys.version_info[:3])
    kept = root / "_build" / "labs" / f"{name}.{made_from[:16]}.js"
    if not kept.is_file():
        for stale in kept.parent.glob(f"{name}.*.js"):
            stale.unlink()
        kept.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "coursekit.labs", name, str(kept), "--root", str(root)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CourseError(f"the data {name!r} cannot be made:\n{done.stderr.strip()}")
    target = folder / "data" / f"{name}.js"
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(kept, target)
    return hashlib.sha256(kept.read_bytes()).hexdigest()[:8]


def _modules(root: Path, name: str) -> list[Path]:
    """The module that makes some data, and those beside it that it mentions, and so on."""
    found: list[Path] = []
    waiting = [root / MODULES / f"{name}.py"]
    while waiting:
        path = waiting.pop()
        if path.is_file() and path not in found:
            found.append(path)
            mentioned = re.findall(r"coursekit\.labs\.(\w+)", path.read_text(encoding="utf-8"))
            waiting += [root / MODULES / f"{other}.py" for other in mentioned]
    return sorted(found)


def data_script(name: str, data: dict[str, Any]) -> str:
    """A script that hands over data when it is loaded.

    Args:
        name: The data's.
        data: Anything that JSON can hold, besides tensors and NumPy arrays, which become
            `{"base64": text, "type": "float32", "shape": [2, 3]}`; floats are kept as 32 bit.

    Returns:
        JavaScript.
    """
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, default=_plain)
    return f"labData({json.dumps(name)},{text});\n"


def _plain(value: Any) -> Any:
    """An array as text; `unpack` of `book/labs/ui.js` reads it."""
    import numpy as np

    array = np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{type(value).__name__} cannot be put into a laboratory's data")
    if array.dtype.kind == "f":
        array = array.astype("float32")
    if array.dtype in ("int64", "uint64"):
        array = array.astype("int32")
    if array.dtype == "bool":
        array = array.astype("uint8")
    little = array.astype(array.dtype.newbyteorder("<"))
    return {
        "base64": base64.b64encode(np.ascontiguousarray(little).tobytes()).decode(),
        "type": array.dtype.name,
        "shape": list(array.shape),
    }


def preview(root: Path, name: str, folder: Path, fallback: str = "") -> Path:
    """Writes a bare page with one laboratory, to work on it without building the book.

    Args:
        root: The course's folder.
        name: The laboratory's.
        folder: Where to write.
        fallback: HTML shown where there is no JavaScript.

    Returns:
        The page's path; it works from the folder and through a server.

    Raises:
        CourseError: As `publish`.
    """
    publish(root, name, folder / "_static" / "labs")
    shutil.copy(root / "code/coursekit/assets/course.css", folder / "course.css")
    page = folder / f"{name}.html"
    page.write_text(
        "<!doctype html>\n"
        f'<html lang="en" data-theme="light"><head><meta charset="utf-8"><title>{name}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="course.css">'
        f'<link rel="stylesheet" href="_static/labs/{STYLE}">'
        "<style>body { margin: 0; background: var(--paper); color: var(--ink) } "
        "main { max-width: 50rem; margin: auto; padding: 1rem; box-sizing: border-box } "
        "*, *::before, *::after { box-sizing: border-box }</style>"
        f'<script defer src="_static/labs/{name}.js"></script></head><body>'
        f'<main class="bd-article"><h1>{name}</h1>{section(name, "What the laboratory shows.")}'
        f"{fallback}{SECTION_END}</main></body></html>\n",
        encoding="utf-8",
    )
    return page


def section(name: str, caption: str) -> str:
    """The HTML that begins a laboratory's place on a page.

    Args:
        name: The laboratory's.
        caption: HTML of what to conclude.

    Returns:
        HTML, to be followed by the fallback and `SECTION_END`.
    """
    return (
        f'<section class="lab" id="lab-{name}" data-lab="{name}" aria-labelledby="lab-{name}-name">'
        f'<p class="lab-name" id="lab-{name}-name"><span class="lab-kind">Laboratory</span> '
        f'<span class="lab-caption">{caption}</span></p><div class="lab-fallback">'
    )


SECTION_END = "</div></section>"
"""The HTML that ends a laboratory's place on a page."""


def iterate_sources(root: Path) -> Iterator[Path]:
    """The files that scripts and style sheet are made from.

    Args:
        root: The course's folder.

    Yields:
        Paths, in order.
    """
    yield from files_below(root, [SOURCES.as_posix()])
