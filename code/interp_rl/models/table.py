"""A small table that reads well in a notebook, to a screen reader and in a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

Row = Sequence[object]
"""The cells of one row; each is shown by its `str`."""


def framed(caption: str, rows: str) -> str:
    """An HTML table that scrolls by itself, by keyboard too, instead of widening the page.

    Args:
        caption: What the table shows, as plain text.
        rows: The table's head and body in HTML.

    Returns:
        HTML.
    """
    caption = escape(caption)
    return (
        f'<div class="interp-table" role="region" tabindex="0" aria-label="{caption}"'
        ' style="overflow-x: auto"><table style="text-align: left">'
        f"<caption>{caption}</caption>{rows}</table></div>"
    )


@dataclass(frozen=True)
class Table:
    """Rows under column headings; the first cell of a row is the row's heading."""

    caption: str
    """what the table shows"""
    columns: tuple[str, ...]
    """headings"""
    groups: dict[str, list[Row]]
    """rows by the heading of their group; a table without groups has one, with an empty heading"""
    code: tuple[str, ...] = ()
    """columns whose cells are names in code"""

    def _cell(self, column: str, value: object) -> str:
        text = escape(str(value))
        return f"<code>{text}</code>" if column in self.code and text else text

    def _html_row(self, row: Row) -> str:
        head, *cells = (self._cell(c, value) for c, value in zip(self.columns, row, strict=True))
        return (
            f'<tr><th scope="row">{head}</th>' + "".join(f"<td>{c}</td>" for c in cells) + "</tr>"
        )

    def _repr_html_(self) -> str:
        # a long name in code may be broken at an underscore, as a phone is narrow
        names = (escape(column).replace("_", "_<wbr>") for column in self.columns)
        head = "".join(f'<th scope="col">{name}</th>' for name in names)
        bodies = []
        for heading, rows in self.groups.items():
            lines = [self._html_row(row) for row in rows]
            if heading:
                span = f'colspan="{len(self.columns)}" scope="rowgroup"'
                lines.insert(0, f"<tr><th {span}>{escape(heading)}</th></tr>")
            bodies.append(f"<tbody>{''.join(lines)}</tbody>")
        return framed(self.caption, f"<thead><tr>{head}</tr></thead>{''.join(bodies)}")

    def __repr__(self) -> str:
        texts = {
            heading: [[str(value) for value in row] for row in rows]
            for heading, rows in self.groups.items()
        }
        lines = [list(self.columns), *(row for rows in texts.values() for row in rows)]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]

        def line(cells: Sequence[str]) -> str:
            return "  ".join(c.ljust(w) for c, w in zip(cells, widths, strict=True)).rstrip()

        parts = [self.caption, line(self.columns)]
        for heading, rows in texts.items():
            parts += [f"-- {heading}"] if heading else []
            parts += [line(row) for row in rows]
        return "\n".join(parts)
