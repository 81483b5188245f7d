"""What is graded: the exercises of a chapter that have a check, as its cells state them."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from coursekit.book import Book
from coursekit.chapter import Chapter, ChapterError, Directive
from coursekit.notebooks import chapters_with_code, published


@dataclass(frozen=True)
class Item:
    """One exercise."""

    number: str
    title: str
    points: int
    """one for each star of difficulty, or what the exercise itself says"""
    check: str
    """expression that names the check's function, such as `section2.check_faithfulness`"""
    imports: str
    """import statement with which `check` can be evaluated"""
    answer: str
    """expression that is the student's answer: the name of a function or a value"""


@dataclass(frozen=True)
class Assignment:
    """A chapter's notebook and what is graded in it."""

    name: str
    """name of the chapter and of its notebook"""
    items: tuple[Item, ...]
    cells: tuple[str, ...]
    """code of the notebook as it was handed out"""

    @property
    def points(self) -> int:
        """Points of all exercises together."""
        return sum(item.points for item in self.items)


def assignments(book: Book) -> dict[str, Assignment]:
    """Every chapter with at least one exercise that has a check.

    Args:
        book: The book.

    Returns:
        Assignments by the chapter's name, in the order of the book.

    Raises:
        ChapterError: If a check cell does not end in a call of a check with one answer.
    """
    found = {chapter.name: assignment_of(chapter) for chapter in chapters_with_code(book)}
    return {name: assignment for name, assignment in found.items() if assignment.items}


def assignment_of(chapter: Chapter) -> Assignment:
    """What is graded in a chapter.

    Args:
        chapter: The chapter.

    Returns:
        Its exercises with a check; perhaps none.

    Raises:
        ChapterError: As `assignments`.
    """
    blocks = [
        (block, region)
        for block, region in published(chapter, "student")
        if isinstance(block, Directive)
    ]
    cells = [block.body for block, _ in blocks if block.is_code_cell]
    titles = {b.options.get("number", ""): b for b, _ in blocks if b.name == "exercise-start"}
    items = [
        _item(chapter, block, region.exercise, titles, cells)
        for block, region in blocks
        if "check" in block.tags and region.exercise
    ]
    return Assignment(chapter.name, tuple(items), tuple(cells))


def _item(
    chapter: Chapter,
    cell: Directive,
    number: str,
    titles: Mapping[str, Directive],
    cells: list[str],
) -> Item:
    last = ast.parse(cell.body).body[-1]
    match last:
        case ast.Expr(ast.Call(ast.Attribute(ast.Name(module)) as check, [answer], [])):
            exercise = titles[number]
            return Item(
                number=number,
                title=exercise.argument,
                points=int(exercise.options.get("points") or exercise.options["difficulty"]),
                check=ast.unparse(check),
                imports=_import_of(module, cells, chapter, cell.line),
                answer=ast.unparse(answer),
            )
    raise chapter.error(
        cell.line,
        "a check cell ends in one call, such as `section2.check_faithfulness(faithfulness)`: the "
        "grader reads from it what to check",
    )


def _import_of(name: str, cells: list[str], chapter: Chapter, line: int) -> str:
    for statement in imports(cells):
        if any((alias.asname or alias.name.split(".")[0]) == name for alias in statement.names):
            return ast.unparse(statement)
    raise ChapterError(chapter.path, line, f"no cell of the chapter imports {name!r}")


def imports(cells: list[str] | tuple[str, ...]) -> Iterator[ast.Import | ast.ImportFrom]:
    """The import statements of some cells, outside of functions.

    Args:
        cells: Code.

    Yields:
        Syntax trees; cells that are not Python are passed over.
    """
    for cell in cells:
        try:
            tree = ast.parse(cell)
        except SyntaxError:
            continue
        yield from (node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
