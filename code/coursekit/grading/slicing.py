"""Which statements of a notebook an answer needs, so that a grader runs those and no others.

A statement is needed if it binds or changes a name that is needed, and it needs in turn what it
uses. All statements that do so count, not the last one alone: the answer is what it is after all of
them.
"""

import ast
import builtins
import symtable
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Statement:
    """A statement at the top of a cell, and the names in it."""

    source: str
    cell: int
    """number of its cell, from 0"""
    binds: frozenset[str] = frozenset()
    """names it defines, imports, deletes or changes in place"""
    uses: frozenset[str] = frozenset()
    """global names it reads, also inside of functions"""


def read_cell(source: str, number: int = 0) -> list[Statement]:
    """Takes a cell apart.

    Args:
        source: Python, or anything that a student left in a cell; IPython's commands count as
            Python that calls IPython.
        number: Number of the cell.

    Returns:
        Its statements; for a cell that is not Python one statement that fails as the cell would.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        source = TransformerManager().transform_cell(source)
        lines, nodes = source.splitlines(keepends=True), ast.parse(source).body
        return [_statement("".join(lines[_first(n) - 1 : n.end_lineno]), n, number) for n in nodes]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [Statement(source, number)]


def needed(statements: Sequence[Statement], names: Iterable[str]) -> list[int]:
    """The statements without which some names would have other values.

    Args:
        statements: All statements, in the order in which they run.
        names: What is wanted.

    Returns:
        Their positions, in order.
    """
    wanted, chosen = set(names), set[int]()
    while True:
        more = {i for i, one in enumerate(statements) if i not in chosen and one.binds & wanted}
        if not more:
            return sorted(chosen)
        chosen |= more
        wanted |= {name for i in more for name in statements[i].uses}


def names_in(expression: str) -> set[str]:
    """The names that an expression reads.

    Args:
        expression: Python.

    Returns:
        The names.
    """
    tree = ast.parse(expression, mode="eval")
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _first(node: ast.stmt) -> int:
    decorators = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in decorators)])


def _statement(source: str, node: ast.stmt, cell: int) -> Statement:
    table = symtable.symtable(ast.unparse(node), "<cell>", "exec")
    return Statement(source, cell, frozenset(_bound(node, table)), frozenset(_read(table)))


def _bound(tree: ast.stmt, table: symtable.SymbolTable) -> set[str]:
    names = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    names |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_imported()}
    names |= {child.get_name() for child in table.get_children()}  # functions and classes
    for node in ast.walk(tree):
        changed: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            changed = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
            changed = [node.target]
        elif isinstance(node, ast.Delete):
            changed = node.targets
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            changed = [node.value.func]  # `answers.update(...)`
        names |= {root for part in changed if (root := _root(part))}
    return names


def _root(node: ast.expr) -> str:
    """The name that an attribute or an entry belongs to, or that is deleted."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
        if isinstance(node, ast.Name):
            return node.id
    return ""


def _read(table: symtable.SymbolTable) -> set[str]:
    names: set[str] = set()
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        if symbol.is_referenced() and (top or symbol.is_global()):
            names.add(symbol.get_name())
    for child in table.get_children():
        names |= _read(child)
    return names - set(dir(builtins))
