"""What `{benchmark-results}` shows of a result."""

from coursekit.sphinx_ext.benchmarks import rows, tables

SPREAD = {"median": 1.234, "min": -0.5, "max": 3}


def test_the_ratios_come_first_and_other_tables_after_them():
    result = {"ratios": {"loop / batch": SPREAD}}
    assert tables(result) == {"ratio of times": {"loop / batch": SPREAD}}
    more = {**result, "tables": {"mean return": {"ours": SPREAD}}}
    assert list(tables(more)) == ["ratio of times", "mean return"]


def test_numbers_have_as_many_digits_as_tell_something():
    large = {"median": 251.44, "min": -141.6, "max": 99.994}
    assert rows({"a": SPREAD, "b": large}) == [
        ("a", "1.23", "-0.50", "3.00"),
        ("b", "251", "-142", "99.99"),
    ]
