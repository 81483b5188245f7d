"""What a browser finds on the pages of the site; runs in processes of their own.

`command` starts each with an address, and writes jobs to it, a line of JSON for each page.

A page is opened with an empty cache on a simulated mid-range phone: four times slower than this
machine, and behind a slow 4G network (150 ms, 1.6 Mbit/s), which are the figures that Lighthouse
takes. Then axe-core looks at it, in light and in dark, and html-validate at its HTML; both run in
the same Chromium, so that nothing else has to be installed.
"""

import functools
import gzip
import io
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from importlib import resources
from pathlib import Path
from typing import Any

from coursekit.audit.limits import PageReport
from coursekit.browser import open_chromium
from coursekit.serve import HOST, QuietHandler
from coursekit.weight import COMPRESSED, drawings

PHONE = {"width": 390, "height": 844}
NARROWEST = 320
"""Pixels of the narrowest window that WCAG asks pages to fit into."""

SLOW_4G = {
    "offline": False,
    "latency": 150,
    "downloadThroughput": 1.6e6 / 8,
    "uploadThroughput": 0.75e6 / 8,
}
"""Milliseconds, and bytes a second."""

CPU_SLOWDOWN = 4

FIGURES = "/_images/"
"""Files below this folder are figures, which a page's weight leaves out."""

# rules of html-validate that say nothing about this site
VALIDATOR = {
    "extends": ["html-validate:recommended"],
    "rules": {
        # matters of taste: HTML has both ways, and Sphinx writes the other
        "void-style": "off",
        "attribute-boolean-style": "off",
        "no-trailing-whitespace": "off",
        "long-title": "off",
        # figures and tables stand in notebooks, too, where no style sheet reaches them
        "no-inline-style": "off",
        # names of Python objects have points, and are the anchors that other books link to
        "valid-id": ["error", {"relaxed": True}],
        # captions of parts of the contents; regions that scroll and are neither of these elements
        "prefer-native-element": ["error", {"exclude": ["heading", "region"]}],
        "no-raw-characters": ["error", {"relaxed": True}],
    },
}

STILL = "*, ::before, ::after { animation: none !important; transition: none !important; }"

LCP = """() => new Promise((done) => {
  let last = null;
  new PerformanceObserver((list) => { last = list.getEntries().at(-1).startTime; })
    .observe({ type: "largest-contentful-paint", buffered: true });
  const end = performance.now() + 3000; // a busy machine may be late to tell
  const tell = () => last === null && performance.now() < end ? setTimeout(tell, 50) : done(last);
  setTimeout(tell, 50);
})"""

WIDER_THAN_WINDOW = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  const wide = [...document.querySelectorAll('main *')].filter(e => {
    if (e.getBoundingClientRect().right <= width + 1) return false;
    for (let up = e.parentElement; up; up = up.parentElement)
      if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(up).overflowX)) return false;
    return true;
  });
  return wide.slice(0, 3).map(e => e.outerHTML.slice(0, 120)).concat(['(page too wide)']);
}"""

SILENT = """() => {
  const article = document.querySelector("article");
  if (!article) return [];
  const start = (e) => e.outerHTML.slice(0, 100);
  const hidden = (e) => e.closest("[aria-hidden='true']");
  const noAlt = [...article.querySelectorAll("img")].filter(e => !e.alt.trim() && !hidden(e));
  const noName = [...article.querySelectorAll("svg")].filter(e =>
    !hidden(e) && !e.closest("button, a[aria-label]") &&
    !(e.getAttribute("role") === "img" && e.getAttribute("aria-label")?.trim()));
  const noData = [...article.querySelectorAll(".cell_output .output")]
    .map(e => !e.querySelector("details.figure-data table") && e.querySelector("svg[role=img]"))
    // plots have scales, whose marks are drawn once and used often; diagrams and films have none
    .filter(e => e && e.querySelector("clipPath") && e.querySelector("use"));
  return [...noAlt.map(e => `no text: ${start(e)}`), ...noName.map(e => `no text: ${start(e)}`),
    ...noData.map(e => `no data: ${e.getAttribute("aria-label")?.slice(0, 80)}`)];
}"""


STRUCTURE = """async () => (await axe.run({
  runOnly: { type: "tag", values: ["wcag2a", "wcag2aa"] },
  rules: { "color-contrast": { enabled: false } },
  resultTypes: ["violations"],
  preload: false,
})).violations"""
"""All rules of WCAG 2 A and AA but the one that takes most of the time."""

CONTRAST = """async () => {
  const met = new Map();
  const chosen = [...document.querySelectorAll("input, textarea, select")];
  for (const element of document.body.querySelectorAll("*")) {
    const speaks = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!speaks || !element.checkVisibility()) continue;
    const { color, fontSize, fontWeight } = getComputedStyle(element);
    const key = [color, fontSize, fontWeight];
    for (let up = element, solid = false; up; up = up.parentElement) {
      const style = getComputedStyle(up);
      if (style.opacity !== "1") key.push(style.opacity);
      if (solid || style.backgroundColor === "rgba(0, 0, 0, 0)") continue;
      key.push(style.backgroundColor, style.backgroundImage);
      solid = style.backgroundColor.startsWith("rgb(");
    }
    const kind = key.join(" ");
    met.set(kind, (met.get(kind) ?? 0) + 1);
    if (met.get(kind) <= 2) chosen.push(element);
  }
  return (await axe.run({ include: chosen }, {
    runOnly: { type: "rule", values: ["color-contrast"] },
    resultTypes: ["violations"],
    preload: false,
  })).violations;
}"""
"""Contrast of two elements of each kind of text: of all that have the same colour, size, weight and
ground, and so the same contrast."""


class GzipHandler(QuietHandler):
    """Serves files as a host on the web does: compressed, over connections that stay open."""

    protocol_version = "HTTP/1.1"

    def send_head(self) -> Any:
        """Sends the head of an answer; text comes compressed."""
        path = Path(self.translate_path(self.path))
        if not path.is_file() or path.suffix in COMPRESSED:
            return super().send_head()
        content = _compressed(path, path.stat().st_mtime_ns)
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        return io.BytesIO(content)


@functools.lru_cache(maxsize=1024)
def _compressed(path: Path, _changed: int) -> bytes:
    return gzip.compress(path.read_bytes(), 6)


@contextmanager
def served_compressed(site: Path) -> Iterator[str]:
    """Serves a site while the block runs.

    Args:
        site: Its folder.

    Yields:
        Its address, without a slash at the end.
    """
    handler = functools.partial(GzipHandler, directory=str(site))
    server = ThreadingHTTPServer((HOST, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{HOST}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class Viewer:
    """Looks at pages in one browser.

    Args:
        browser: Playwright's `Browser`.
        address: Where the site is served, without a slash at the end.
    """

    def __init__(self, browser: Any, address: str):
        self._browser, self._address = browser, address
        axe = resources.files("axe_playwright_python").joinpath("axe.min.js")
        self._axe = axe.read_text(encoding="utf-8")
        self._validator = browser.new_page()
        self._validator.add_script_tag(
            path=Path(__file__).parent / "validator" / "html-validate.js"
        )

    def look_at(self, name: str, text: str, *, timed: bool, time_alone: bool = False) -> PageReport:
        """Opens a page as a new reader does, and looks at it from all sides.

        Args:
            name: The page's path on the site.
            text: Its HTML.
            timed: Whether to slow network and processor down, and to measure.
            time_alone: Measure the time, and look at nothing else.

        Returns:
            What was found; what only files tell is not in it.
        """
        report = PageReport(name)
        context = self._browser.new_context(
            viewport=PHONE, color_scheme="light", service_workers="block"
        )
        try:
            page = context.new_page()
            control = context.new_cdp_session(page)
            loads = self._count_bytes(control)
            if timed:
                control.send("Network.emulateNetworkConditions", SLOW_4G)
                control.send("Emulation.setCPUThrottlingRate", {"rate": CPU_SLOWDOWN})
            page.goto(f"{self._address}/{name}", wait_until="load")
            if timed:
                milliseconds = page.evaluate(LCP)
                report.lcp = None if milliseconds is None else milliseconds / 1000
                control.send("Emulation.setCPUThrottlingRate", {"rate": 1})
            if time_alone:
                return report
            page.evaluate("() => document.fonts.ready.then(() => true)")
            for url, size in loads.values():
                if url.startswith(("http:", "https:")) and not url.startswith(self._address):
                    report.foreign.append(url)
                elif FIGURES not in url:
                    report.size += size
            report.size -= drawings(text)
            report.silent = page.evaluate(SILENT)
            page.set_viewport_size({"width": NARROWEST, "height": 800})
            report.wide = page.evaluate(WIDER_THAN_WINDOW)
            page.set_viewport_size(PHONE)
            report.axe = self._accessibility(page)
        finally:
            context.close()
        report.html = self._errors_of(text)
        return report

    def _count_bytes(self, control: Any) -> dict[str, tuple[str, int]]:
        """Notes address and size of everything that is loaded from now on."""
        loads: dict[str, tuple[str, int]] = {}

        def note(event: dict[str, Any]) -> None:
            loads[event["requestId"]] = (event["request"]["url"], 0)

        def add(event: dict[str, Any]) -> None:
            url, _ = loads.get(event["requestId"], ("", 0))
            loads[event["requestId"]] = (url, int(event["encodedDataLength"]))

        control.on("Network.requestWillBeSent", note)
        control.on("Network.loadingFinished", add)
        control.send("Network.enable")
        return loads

    def _accessibility(self, page: Any) -> list[str]:
        """Violations, with all that folds open; dark differs from light in its colours only."""
        page.add_style_tag(content=STILL)
        page.evaluate(
            "document.querySelectorAll('details').forEach((fold) => { fold.open = true; })"
        )
        page.evaluate(self._axe)
        violations = [("light", found) for found in page.evaluate(STRUCTURE)]
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(
                "(scheme) => (document.documentElement.dataset.theme ?? scheme) === scheme",
                arg=scheme,
            )
            violations += [(scheme, found) for found in page.evaluate(CONTRAST)]
        return [
            f"{scheme}: {violation['id']}: {' '.join(map(str, node['target']))}"
            for scheme, violation in violations
            for node in violation["nodes"][:3]
        ]

    def _errors_of(self, text: str) -> list[str]:
        result = self._validator.evaluate(
            "([text, rules]) => htmlValidate(text, rules)", [text, VALIDATOR]
        )
        return [
            f"line {error['line']}: {error['ruleId']}: {error['message']}"
            for part in result["results"]
            for error in part["messages"]
        ]


def main() -> int:
    """Looks at the pages that standard input names; writes reports, a line of JSON for each.

    Returns:
        The exit status.
    """
    address = sys.argv[1]
    with open_chromium() as browser:
        viewer = Viewer(browser, address)
        for line in sys.stdin:
            job = json.loads(line)
            text = Path(job["path"]).read_text(encoding="utf-8")
            report = viewer.look_at(
                job["name"], text, timed=job["timed"], time_alone=job["time_alone"]
            )
            print(json.dumps(vars(report)), flush=True)
    return 0
