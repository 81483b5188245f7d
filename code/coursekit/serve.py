"""`coursekit serve`: shows the built site on this machine."""

import argparse
import functools
import http.server
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from coursekit.project import CourseError, Project

HOST = "127.0.0.1"


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves files without a line for each, and without letting browsers keep old pages."""

    def end_headers(self) -> None:
        """Adds what keeps a rebuilt page from being shown in its old state."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def make_server(html: Path, port: int) -> http.server.ThreadingHTTPServer:
    """Makes a server for a folder, on this machine only.

    Args:
        html: The folder.
        port: Where to listen; if that port is taken, any free one serves.

    Returns:
        A server that listens, but does not answer before `serve_forever`.

    Raises:
        CourseError: If the site has not been built.
    """
    if not (html / "index.html").is_file():
        raise CourseError(f"there is no site in {html} yet: run `make book` first")
    handler = functools.partial(QuietHandler, directory=str(html))
    try:
        return http.server.ThreadingHTTPServer((HOST, port), handler)
    except OSError:
        return http.server.ThreadingHTTPServer((HOST, 0), handler)


def main(argv: Sequence[str]) -> int:
    """Runs the command until it is interrupted.

    Args:
        argv: Its arguments.

    Returns:
        The exit status.

    Raises:
        CourseError: If the site has not been built.
    """
    parser = argparse.ArgumentParser("coursekit serve", description=__doc__)
    parser.add_argument("--port", type=int, default=8000, help="default: %(default)s")
    parser.add_argument(
        "--root", type=Path, help="the course's folder (found from the current one)"
    )
    args = parser.parse_args(argv)
    with make_server(Project.find(args.root).html, args.port) as server:
        print(f"http://{HOST}:{server.server_address[1]}/  (stop with Ctrl-C)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()
    return 0
