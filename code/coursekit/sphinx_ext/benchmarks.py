"""The page of benchmarks: the kept results of `benchmarks/*.py`, shown without running anything."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

logger = logging.getLogger(__name__)

RESULTS = Path("benchmarks", "results")
"""Where `python benchmarks/NAME.py --save` keeps its result, below the course's folder."""


COLUMNS = ("median", "smallest", "largest")
"""What stands over the numbers of each table."""


class BenchmarkResults(SphinxDirective):
    """``{benchmark-results} NAME``: its tables, then setting, versions and seed."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Read the kept result of the benchmark named."""
        name = self.arguments[0]
        path = Path(self.env.srcdir, RESULTS, f"{name}.json")
        self.env.note_dependency(str(path))
        try:
            result = json.loads(path.read_text())
        except (OSError, ValueError) as problem:
            logger.warning(
                "benchmark-results: no result to read (%s); run `python benchmarks/%s.py --save`",
                *(problem, name),
                location=self.get_location(),
            )
            return []
        return [
            *(
                _table((heading, *COLUMNS), rows(figures))
                for heading, figures in tables(result).items()
            ),
            nodes.paragraph("", made_with(result)),
        ]


def tables(result: dict[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """The ratios of a result, then its `tables` if it has any, each under its heading."""
    return {"ratio of times": result["ratios"], **result.get("tables", {})}


def rows(figures: dict[str, dict[str, float]]) -> list[tuple[str, ...]]:
    """Label, median, smallest and largest, with three significant digits or more."""

    def text(value: float) -> str:
        return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"

    return [
        (label, *(text(spread[key]) for key in ("median", "min", "max")))
        for label, spread in figures.items()
    ]


def made_with(result: dict[str, Any]) -> str:
    """Setting, machine and seed of a result, and its versions, as a sentence each."""
    made = result["provenance"]
    versions = ", ".join(f"{name} {version}" for name, version in made["packages"].items())
    setting = ", ".join(f"{value} {name}" for name, value in result["setting"].items())
    return (
        f"Setting: {setting}; {made['threads']} thread on {made['processor']}, "
        f"seed {made['seed']}. "
        f"Versions: Python {made['python']}, {versions}."
    )


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> nodes.table:
    def row(cells: Sequence[str]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", cell)) for cell in cells))

    group = nodes.tgroup("", cols=len(header))
    group += [nodes.colspec(colwidth=3 if n == 0 else 1) for n in range(len(header))]
    group += nodes.thead("", row(header))
    group += nodes.tbody("", *map(row, rows))
    return nodes.table("", group)


def setup(app: Sphinx) -> None:
    """Register the directive."""
    app.add_directive("benchmark-results", BenchmarkResults)
