"""Runs the cells of a chapter, so that tests can hold its prose against what they compute."""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from coursekit.book import Book
from coursekit.chapter import read_chapter


@dataclass
class Run:
    """A chapter after all its cells ran."""

    text: str
    names: dict[str, Any]
    """what its cells defined"""
    values: list[Any]
    """value of the last expression of each cell that has one, in order"""
    glued: dict[str, str]

    def is_sound(self) -> None:
        """Stops a test where a solution does not pass its check, or a number is none."""
        checked = [value for value in self.values if hasattr(value, "exercise")]
        passed = {result.exercise for result in checked if result.status == "passed"}
        assert {result.exercise for result in checked} == passed, "the solutions pass their checks"
        numbers = " ".join(map(str, self.glued.values()))
        assert not re.search(r"\b(nan|inf)\b", numbers), self.glued


def run(root: Path, name: str) -> Run:
    """Executes the cells of a chapter in one namespace."""
    import myst_nb

    path = root / "book" / f"{name}.md"
    result = Run(path.read_text(encoding="utf-8"), {"__name__": "__main__"}, [], {})
    before = myst_nb.glue, torch.is_grad_enabled()
    myst_nb.glue = lambda key, value, display=True: result.glued.__setitem__(key, value)
    try:
        for cell in read_chapter(path, Book(root).extensions).cells:
            tree = ast.parse(cell.body)
            shown = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
            exec(compile(tree, path, "exec"), result.names)
            if isinstance(shown, ast.Expr):
                code = compile(ast.Expression(shown.value), path, "eval")
                result.values.append(eval(code, result.names))
    finally:
        myst_nb.glue = before[0]
        torch.set_grad_enabled(before[1])
    return result
