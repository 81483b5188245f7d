"""Every number in the book comes out the same again."""

from pathlib import Path

import pytest
from jupyter_cache import get_cache

from coursekit.book import Book
from coursekit.execute import Chapter, ResultCache, execute_stale, read_chapters
from coursekit.project import Project


def outputs(project: Project, chapter: Chapter) -> list:
    """What each cell of a chapter gave when it was last executed."""
    _, notebook = get_cache(str(project.cache)).merge_match_into_notebook(chapter.notebook)
    return [(c.source, c.outputs) for c in notebook.cells if c.cell_type == "code"]


@pytest.mark.site
def test_a_second_execution_gives_the_same_outputs(root: Path, tmp_path: Path):
    built, second = Project(root), Project(tmp_path)
    second.build.mkdir()
    book = Book(root)
    chapters = read_chapters(built, book.pages, book.extensions)
    before = ResultCache(built.cache)
    assert all(before.find(chapter) for chapter in chapters), "run `make book` first"
    first = {chapter.name: outputs(built, chapter) for chapter in chapters}
    for outcome in execute_stale(second, chapters, jobs=2, memory_limit_mb=1024):
        assert outcome.failure is None
    for chapter in chapters:
        for (source, expected), (_, found) in zip(
            first[chapter.name], outputs(second, chapter), strict=True
        ):
            assert found == expected, f"{chapter.name}: another result of\n{source}"
