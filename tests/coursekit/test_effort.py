"""What counts how much: words, code, figures, equations, blanks."""

from pathlib import Path

import pytest

from coursekit.chapter import Directive, Text, read_chapter
from coursekit.effort import (
    RULE,
    Effort,
    by_heading,
    code_lines,
    count_blanks,
    count_words,
    effort_of,
)


def chapter(folder: Path, text: str):
    path = folder / "9-page.md"
    path.write_text(text, encoding="utf-8")
    return read_chapter(path, ("dollarmath", "colon_fence"))


def directive(folder: Path, text: str) -> Effort:
    page = chapter(folder, text)
    (block,) = (block for block in page.blocks if isinstance(block, Directive))
    return effort_of(page, block)


def test_efforts_add_up_to_their_minutes():
    words = Effort(words=int(RULE.words_per_minute))
    assert words.minutes() == pytest.approx(1)
    rest = Effort(lines=30, outputs=6, figures=3, equations=4, work=2.5)
    assert (words + rest).minutes() == pytest.approx(1 + 1 + 1 + 1 + 1 + 2.5)


@pytest.mark.parametrize(
    "line, words",
    [
        ("Two words.", 2),
        ("", 0),
        ("One - dash, and □ for code.", 6),
        ("... ?", 0),
        ("A well-known 3.5 times", 4),
    ],
)
def test_words_are_what_has_a_letter_a_digit_or_stands_for_code(line: str, words: int):
    assert count_words(line) == words


def test_text_is_taken_apart_at_headings_with_their_optional_minutes(tmp_path: Path):
    page = chapter(
        tmp_path,
        "# Title\n\nOne two three.\n\n$$\nx\n$$\n\n## More {optional}`4 min`\n\n"
        "`code` and $x$ here.\n\n$$\ny\n$$ (eq-y)\n\n### Below\n\nEnd.\n",
    )
    (block,) = (block for block in page.blocks if isinstance(block, Text))
    pieces = [piece for piece in by_heading(page, block) if piece[0]]
    assert [(level, title, minutes) for level, title, minutes, _, _ in pieces] == [
        (1, "Title", None),
        (2, "More", 4),
        (3, "Below", None),
    ]
    efforts = [effort for *_, effort in pieces]
    assert [effort.words for effort in efforts] == [4, 5, 2]
    assert [effort.equations for effort in efforts] == [1, 1, 0]
    assert [line for *_, line, _ in pieces] == [1, 9, 17]


CELL = "```{{code-cell}} python3\n{options}\nprint(1)\n\nprint(2)\n```\n"
FIGURE = "---\nmystnb:\n  figure:\n    name: f\n    caption: Four words are here.\ntags: [%s]\n---"


@pytest.mark.parametrize(
    "options, expected",
    [
        ("", Effort(lines=2, outputs=1)),
        (":tags: [hide-input]\n", Effort(outputs=1)),
        (":tags: [remove-cell]\n", Effort()),
        (":tags: [hidden-test]\n", Effort()),
        (":tags: [stub]\n", Effort(lines=2)),
        (":tags: [check]\n", Effort()),
        (FIGURE % "hide-input", Effort(words=4, figures=1)),
        (FIGURE % "other", Effort(words=4, lines=2, figures=1)),
    ],
)
def test_cells_count_by_what_of_them_is_seen(tmp_path: Path, options: str, expected: Effort):
    assert directive(tmp_path, CELL.format(options=options)) == expected


def test_a_plot_without_a_caption_is_a_figure(tmp_path: Path):
    text = '```{code-cell} python3\nplots.show(fig, alt="what it shows")\n```\n'
    assert directive(tmp_path, text) == Effort(lines=1, figures=1)


def test_a_drawing_counts_with_its_caption_and_without_its_alternative_text(tmp_path: Path):
    text = "```{figure} a.svg\n:name: f\n:alt: Words for those who cannot see.\n\nA caption.\n```\n"
    assert directive(tmp_path, text) == Effort(words=2, figures=1)


def test_equations_and_boxes(tmp_path: Path):
    assert directive(tmp_path, "```{math}\n:label: e\n\nx = 1\n```\n") == Effort(equations=1)
    assert directive(tmp_path, "```{note}\nThree words here.\n```\n") == Effort(words=3)


@pytest.mark.parametrize(
    "code, blanks",
    [
        ("answers = {1: ..., 2: ...}", 2),
        ("explainer = shap.Explainer(..., masker=...)", 2),
        ("x[..., 0] = z[:, ...]", 0),
        ("def f():\n    ...", 0),
        ("y = ...\nz = y[..., 1]", 1),
        ("def f(x):\n    # fill in the blanks:\n    # return x[...].sum(...)\n    raise E", 2),
        ("def f(x):\n    # as in [...]:\n    raise E", 0),
    ],
)
def test_blanks_are_dots_that_stand_for_a_value(code: str, blanks: int):
    assert count_blanks(code) == blanks


def test_lines_to_write_are_those_that_the_stub_does_not_give():
    code = (
        "import torch\n\n\ndef f(\n    x,\n    y,\n):\n"
        '    """Text\n\n    more."""\n    # a remark\n    z = x + y\n\n'
        "    return torch.sum(\n        z\n    )\n"
    )
    assert code_lines(code) == 4
