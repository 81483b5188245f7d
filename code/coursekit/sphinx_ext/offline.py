"""What makes a served site readable offline: a manifest, a service worker, and a list of files.

`assets/offline.js` registers the worker, never for a site opened from a folder. The worker keeps
what a reader has read, and the whole book on request. Its version is the digest of all files, so
that a new build replaces what the last one left in a browser.
"""

import json
import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config

WORKER, MANIFEST, FILES = "sw.js", "manifest.webmanifest", "offline.json"
"""Files at the root of the site: the worker's scope is its own folder."""

SOURCE, ICONS = "service-worker.js", "icons"
"""The worker and the icons as the assets hold them."""

LEFT_OUT = (
    *("handouts", "notebooks", "_static/thebe", f"_static/{SOURCE}"),
    *(WORKER, FILES, ".buildinfo", "objects.inv"),
)
"""What the whole book does without: PDFs, notebooks and what needs a kernel."""


def write(site: Path) -> str:
    """Write manifest, worker and the list of files.

    Args:
        site: The folder of the finished site.

    Returns:
        The digest of the site, which is the worker's version.
    """
    static = site / "_static"
    (site / MANIFEST).write_text(json.dumps(manifest(site), indent=1) + "\n", encoding="utf-8")
    kept = [path for path in sorted(site.rglob("*")) if path.is_file() and _is_kept(path, site)]
    total = sha256()
    for path in kept:
        total.update(path.relative_to(site).as_posix().encode() + path.read_bytes())
    version = total.hexdigest()[:16]
    files = [path.relative_to(site).as_posix() for path in kept]
    (site / FILES).write_text(json.dumps({"version": version, "files": files}), encoding="utf-8")
    source = (static / SOURCE).read_text(encoding="utf-8")
    worker, n = re.subn(r'VERSION = "\w+"', f'VERSION = "{version}"', source)
    assert n == 1, f"{SOURCE} names no version"
    (site / WORKER).write_text(worker, encoding="utf-8")
    return version


def manifest(site: Path) -> dict[str, Any]:
    """What a browser needs to install the site as an application.

    Args:
        site: The folder of the site.

    Returns:
        The content of the manifest; addresses in it are relative to it.
    """
    icons = [
        {"src": f"_static/{ICONS}/book-{size}.png", "sizes": f"{size}x{size}", "type": "image/png"}
        for size in (192, 512)
    ]
    first = site / "index.html"
    start = re.search(r"url=([^\"']+\.html)", first.read_text("utf-8") if first.is_file() else "")
    return {
        "name": "Circuits & Rewards",
        "short_name": "Circuits",
        "description": "An executable course on circuits, policy gradients and explanations.",
        "lang": "en",
        "start_url": start[1] if start else "index.html",
        "scope": "./",
        "display": "minimal-ui",
        "background_color": "#fffefb",
        "theme_color": "#0b5a92",
        "icons": [*icons, icons[-1] | {"purpose": "maskable"}],
    }


def _is_kept(path: Path, site: Path) -> bool:
    name = path.relative_to(site).as_posix()
    return not any(name == part or name.startswith(f"{part}/") for part in LEFT_OUT)


def size_of(site: Path) -> str:
    """How much a browser keeps of the whole book, in words."""
    total = sum(p.stat().st_size for p in site.rglob("*") if p.is_file() and _is_kept(p, site))
    return f"{total / 1e6:.0f} MB"


def name_size(html: str, size: str) -> str:
    """Tell a page's script how much a browser would keep."""
    return re.sub(r'data-size="[^"]*"', f'data-size="{size}"', html)


def _configure(app: Sphinx, config: Config) -> None:
    config.html_js_files.append(("offline.js", {"defer": "defer", "data-size": "0 MB"}))


def setup(app: Sphinx) -> None:
    """Connect to Sphinx's events."""
    app.connect("config-inited", _configure)
