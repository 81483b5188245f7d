"""The public names of a package, read from its source: what is undocumented, what is where.

Nothing is imported: a check of the whole package takes a fraction of a second, and runs at every
build, also when no page of the reference is read again.
"""

import ast
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

_Scope = ast.Module | ast.ClassDef
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Undocumented(NamedTuple):
    """A public name without documentation.

    Attributes:
        name: The full dotted name.
        line: Where it is defined.
    """

    name: str
    line: int


def modules(package: str) -> dict[str, Path]:
    """Find the public modules of a package, itself included, with their source files.

    Raises:
        ValueError: If there is no such package.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"there is no package named {package}")
    root = Path(spec.submodule_search_locations[0])
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        if parts[-1] == "__init__":
            parts = parts[:-1]
        if not any(_is_private(part) for part in parts):
            found[".".join(parts)] = path
    return found


def undocumented(module: str, path: Path) -> Iterator[Undocumented]:
    """Find the public names of one module that no docstring describes.

    Counted are the module, its functions, classes, their methods and fields, and its constants. A
    field or constant is described by a string below it, a ``#:`` comment, or its class's docstring.
    """
    tree = _parse(path)
    if not ast.get_docstring(tree):
        yield Undocumented(module, 1)
    for name, line in _undescribed(tree, path.read_text("utf-8").splitlines()):
        yield Undocumented(f"{module}.{name}", line)


def reexported(package: str, path: Path) -> dict[str, str]:
    """Map each name that a package's ``__init__`` imports for its users to where it is defined."""
    return {
        f"{package}.{name.asname or name.name}": f"{statement.module}.{name.name}"
        for statement in _parse(path).body
        if isinstance(statement, ast.ImportFrom) and (statement.module or "").startswith(package)
        for name in statement.names
        if not _is_private(name.asname or name.name)
    }


def summary(path: Path, name: str = "") -> str:
    """First paragraph of the docstring of a module, or of ``name`` in it; empty without one."""
    definitions = (node for node in _parse(path).body if isinstance(node, _Definition))
    wanted = [node for node in definitions if node.name == name] if name else [_parse(path)]
    text = "".join(ast.get_docstring(node) or "" for node in wanted)
    return text.split("\n\n")[0].replace("\n", " ")


@cache
def _parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _undescribed(scope: _Scope, lines: list[str]) -> Iterator[tuple[str, int]]:
    for node, after in zip(scope.body, [*scope.body[1:], None], strict=True):
        if isinstance(node, _Definition):
            if _is_private(node.name) or _stands_for_another(node):
                continue
            if not ast.get_docstring(node):
                yield node.name, node.lineno
            if isinstance(node, ast.ClassDef):
                for name, line in _undescribed(node, lines):
                    yield f"{node.name}.{name}", line
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            comments = "".join(lines[max(0, node.lineno - 2) : node.lineno])
            if not _is_text(after) and "#:" not in comments:
                for name in _assigned(node):
                    if not _is_private(name) and not _is_described(name, scope):
                        yield name, node.lineno


def _is_private(name: str) -> bool:
    return name.startswith("_")


def _is_text(node: ast.stmt | None) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)


def _stands_for_another(node: _Definition) -> bool:
    """Whether a decorator says that the docstring is elsewhere."""
    marks = {ast.unparse(decorator).split(".")[-1] for decorator in node.decorator_list}
    return bool(marks & {"overload", "override", "setter"})


def _assigned(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = (name for target in targets for name in ast.walk(target))
    return [name.id for name in names if isinstance(name, ast.Name)]


def _is_described(name: str, scope: _Scope) -> bool:
    """Whether the scope's docstring has an entry ``name: ...``, perhaps with others, or a type."""
    entry = rf"^\s+(\w+, )*{re.escape(name)}(, \w+)*( \(.*\))?:\s"
    return re.search(entry, ast.get_docstring(scope) or "", re.MULTILINE) is not None
