"""The layers of the house: who may import whom, read from the sources."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SECTIONS = {"ioi", "policy_gradients", "finetuning", "attribution"}

MAY_IMPORT = {
    "plots": set(),
    "results": set(),
    "models": {"plots"},
    "ioi": {"plots", "models"},
    "policy_gradients": {"plots", "results", "models"},
    "finetuning": {"plots", "results", "models"},
    "attribution": {"plots", "results", "models", "ioi"},  # the two halves of the course meet
    "checks": {"plots", "results", "models", *SECTIONS},
}
"""Parts of `interp_rl`, and the other parts each may use; `interp_rl` itself uses none."""


def imported(source: str, module: str, *, is_package: bool) -> Iterator[str]:
    """Full names of everything a module imports, also inside functions.

    For `from a import b` both `a` and `a.b`, because `b` may be a module.
    """
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - max(node.level - 1, 0)]
            base = ".".join([*(above if node.level else []), *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def part_of(name: str) -> str:
    """The part of `interp_rl` a module belongs to: `ioi` for `interp_rl.ioi.metrics`."""
    return ([*name.split("."), ""])[1]


def forbidden(module: str, imports: Iterator[str]) -> list[str]:
    """Those of a module's imports that the layers do not allow."""
    if module.startswith("coursekit.labs."):
        return []  # they make what the laboratories load from the models
    if module.split(".")[0] == "coursekit":
        return [name for name in imports if name.split(".")[0] == "interp_rl"]
    part, wrong = part_of(module), []
    for name in imports:
        top, other = name.split(".")[0], part_of(name)
        is_part = top == "interp_rl" and other in MAY_IMPORT
        if top == "coursekit" or (is_part and other not in {part, *MAY_IMPORT.get(part, set())}):
            wrong.append(name)
    return wrong


@pytest.fixture(scope="module")
def modules(root: Path) -> dict[str, Path]:
    """Every module of `code/` by its full name."""
    code = root / "code"
    found = {}
    for path in sorted([*code.glob("interp_rl/**/*.py"), *code.glob("coursekit/**/*.py")]):
        parts = path.relative_to(code).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def test_modules_import_only_from_layers_below(modules: dict[str, Path]) -> None:
    wrong = []
    for module, path in modules.items():
        names = imported(path.read_text("utf-8"), module, is_package=path.name == "__init__.py")
        wrong += [f"{module} imports {name}" for name in forbidden(module, names)]
    assert not wrong, "\n".join(wrong)


def test_every_part_has_its_layer(modules: dict[str, Path]) -> None:
    parts = {part_of(module) for module in modules if module.startswith("interp_rl.")}
    assert parts <= MAY_IMPORT.keys(), "give the new part of interp_rl its place in MAY_IMPORT"


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("interp_rl.ioi.task", "import coursekit", ["coursekit"]),
        ("interp_rl.ioi.task", "from coursekit.book import Book", ["coursekit.book"]),
        ("interp_rl.plots", "from interp_rl import ioi", ["interp_rl.ioi"]),
        ("interp_rl.results", "from interp_rl import models", ["interp_rl.models"]),
        ("interp_rl.models.card", "from ..ioi import task", ["interp_rl.ioi"]),
        ("interp_rl.models", "def f():\n    from interp_rl.ioi import x", ["interp_rl.ioi"]),
        ("interp_rl.ioi.task", "import interp_rl.attribution", ["interp_rl.attribution"]),
        ("interp_rl.finetuning.ppo", "from interp_rl import ioi", ["interp_rl.ioi"]),
        ("interp_rl.ioi.task", "from interp_rl.checks import x", ["interp_rl.checks"]),
        ("coursekit.build", "import interp_rl.models", ["interp_rl.models"]),
        ("interp_rl.attribution.heads", "from interp_rl.ioi import metrics", []),
        ("interp_rl.checks.section2", "from interp_rl import ioi, models, plots", []),
        ("interp_rl.ioi.task", "from . import metrics\nfrom interp_rl.models import load", []),
        ("interp_rl.models.card", "import torch\nfrom interp_rl import plots", []),
    ],
)
def test_the_rule_catches_what_it_should(module: str, source: str, wrong: list[str]) -> None:
    caught = forbidden(module, imported(source, module, is_package=False))
    assert all(name in caught for name in wrong)
    assert bool(caught) == bool(wrong)


def test_pythons_own_module_code_is_not_shadowed(root: Path) -> None:
    assert not (root / "code/__init__.py").exists()


def test_every_public_module_has_a_page_of_the_reference(
    modules: dict[str, Path], root: Path
) -> None:
    public = {
        name
        for name in modules
        if name.startswith("interp_rl.") and not any(p.startswith("_") for p in name.split("."))
    }
    pages = {path.stem for path in (root / "book/api").glob("interp_rl*.md")}
    assert not public - pages, f"without a page in book/api: {sorted(public - pages)}"
    assert not pages - public - {"interp_rl"}, f"no such module: {sorted(pages - public)}"
