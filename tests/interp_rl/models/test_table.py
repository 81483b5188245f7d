"""Tables in a page and in a terminal."""

from interp_rl.models.table import Table

TABLE = Table(
    "Two <runs>", ("run", "with drop_heads"), {"criteria": [["a & b", 1]], "": [["c", 2]]}
)


def test_the_text_is_aligned_under_its_headings():
    assert repr(TABLE).splitlines() == [
        "Two <runs>",
        "run    with drop_heads",
        "-- criteria",
        "a & b  1",
        "c      2",
    ]


def test_the_html_escapes_and_has_headings_for_columns_rows_and_groups():
    html = TABLE._repr_html_()
    assert "Two &lt;runs&gt;" in html and '<th scope="row">a &amp; b</th><td>1</td>' in html
    assert '<th colspan="2" scope="rowgroup">criteria</th>' in html
    assert html.count('scope="rowgroup"') == 1


def test_a_heading_in_code_may_break_and_the_table_scrolls_by_itself():
    html = TABLE._repr_html_()
    assert "with drop_<wbr>heads</th>" in html
    assert 'tabindex="0"' in html and "overflow-x: auto" in html
