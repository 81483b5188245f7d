"""One script from the ES modules of a laboratory.

A page opened from a folder can load neither ES modules nor data with `fetch`, so the modules that a
laboratory imports are put into one classic script, each in a function of its own. To make that
possible without a parser, modules keep to a few forms, and anything else is an error:

    import { a, b as c } from "../path.js";      on one line
    export function name(...) {                  also `async`, and generators
    export const name = ...
    export class Name {

No import may lead around in a circle, and a script of this kind has neither `import()` nor
`import.meta`. Comments on lines of their own are left out, as readers would load them for nothing.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from coursekit.project import CourseError

_IMPORT = re.compile(r"""import\s*\{([^}]*)\}\s*from\s*(["'])([^"']+)\2\s*;?\s*(?://.*)?$""")
_EXPORT = re.compile(r"export\s+((?:async\s+)?function\s*\*?|const|class)\s+([A-Za-z_$][\w$]*)")
_DATA = re.compile(r"""\bloadData\(\s*(["'])([\w-]+)\1""")


@dataclass(frozen=True)
class Bundle:
    """The script of a laboratory."""

    script: str
    """JavaScript that works in a plain `<script>`"""
    exports: dict[str, list[str]]
    """names that each of the modules asked for exports"""
    data: list[str]
    """names of the data that the modules load with `loadData("name")`"""


@dataclass
class _Module:
    """A module, its imports replaced, its exports gathered."""

    path: Path
    code: str = ""
    exports: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)


def bundle(entries: Mapping[str, Path], root: Path) -> Bundle:
    """Puts modules and all that they import into one script.

    Args:
        entries: For each name of a variable the module whose exports it shall hold.
        root: Folder that paths in comments and errors are relative to; no import may leave it.

    Returns:
        The script, in which each module stands once.

    Raises:
        CourseError: If a file does not exist, an import leads nowhere, asks for a name that is not
            exported or runs in a circle, or a module uses another form of import or export. The
            message names file, line and import.
    """
    gathered = _Gatherer(root.resolve())
    main = {name: gathered.add(path.resolve(), []) for name, path in entries.items()}
    modules = list(gathered.done.values())
    parts = [
        f"// {module.path.relative_to(gathered.root).as_posix()}\n"
        f"const {gathered.variable(module.path)} = (() => {{\n{module.code.strip()}\n"
        f"return {{ {', '.join(module.exports)} }};\n}})();\n"
        for module in modules
    ]
    names = [f"const {name} = {gathered.variable(module.path)};" for name, module in main.items()]
    data = sorted({name for module in modules for name in module.data})
    exports = {name: module.exports for name, module in main.items()}
    return Bundle("\n".join([*parts, *names, ""]), exports, data)


class _Gatherer:
    """Reads modules, each after those that it imports."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.done: dict[Path, _Module] = {}
        self._numbers: dict[Path, int] = {}

    def variable(self, path: Path) -> str:
        """The variable that holds a module's exports."""
        return f"module{self._numbers[path]}"

    def add(self, path: Path, importers: list[Path]) -> _Module:
        """Reads a module, if that has not been done."""
        if path in importers:
            circle = [*importers[importers.index(path) :], path]
            names = " -> ".join(self._name(module) for module in circle)
            raise CourseError(f"these modules import each other in a circle: {names}")
        if path not in self.done:
            module = self._read(path, importers)
            self._numbers[path] = len(self._numbers)
            self.done[path] = module
        return self.done[path]

    def _read(self, path: Path, importers: list[Path]) -> _Module:
        if not path.is_file():
            raise CourseError(f"there is no file {self._name(path)}")
        module, lines = _Module(path), []
        for number, line in _without_comments(path.read_text(encoding="utf-8")):
            place = f"{self._name(path)}:{number}"
            module.data += [name for _, name in _DATA.findall(line)]
            if re.match(r"import\b", line):
                lines.append(self._imported(path, line, place, importers))
            elif re.match(r"export\b", line):
                lines.append(self._exported(module, line, place))
            elif re.search(r"\bimport\s*[(.]", line):
                raise CourseError(f"{place}: a classic script has no import() and no import.meta")
            else:
                lines.append(line)
        module.code = "\n".join(lines)
        return module

    def _imported(self, path: Path, line: str, place: str, importers: list[Path]) -> str:
        found = _IMPORT.match(line)
        if not found:
            raise CourseError(
                f"{place}: write imports on one line, "
                f'as `import {{ name }} from "../path.js";`, not {line.strip()!r}'
            )
        target = (path.parent / found[3]).resolve()
        if not found[3].startswith(".") or not target.is_relative_to(self.root):
            raise CourseError(
                f'{place}: "{found[3]}" is not a path inside the course; '
                'begin it with "./" or "../"'
            )
        if not target.is_file():
            raise CourseError(f'{place}: there is no file for the import "{found[3]}"')
        module = self.add(target, [*importers, path])
        pairs = [name.split(" as ") for name in found[1].split(",") if name.strip()]
        for name in (pair[0].strip() for pair in pairs):
            if name not in module.exports:
                raise CourseError(f'{place}: "{found[3]}" does not export {name}')
        names = ", ".join(": ".join(part.strip() for part in pair) for pair in pairs)
        return f"const {{ {names} }} = {self.variable(target)};"

    def _exported(self, module: _Module, line: str, place: str) -> str:
        found = _EXPORT.match(line)
        if not found:
            raise CourseError(
                f"{place}: export a function, const or class where it is made, not {line.strip()!r}"
            )
        module.exports.append(found[2])
        return re.sub(r"^export\s+", "", line)

    def _name(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


def _without_comments(text: str) -> Iterator[tuple[int, str]]:
    """The lines with their numbers, without those that hold a comment and nothing else."""
    in_comment = in_template = False
    for number, line in enumerate(text.splitlines(), start=1):
        stripped = line.strip()
        if not in_template and (in_comment or stripped.startswith("/*")):
            in_comment = not stripped.endswith("*/")
        elif in_template or not stripped.startswith("//"):
            yield number, line
            in_template ^= line.replace("\\`", "").count("`") % 2 == 1
