"""The style sheet of the laboratories: a bracket too few would hide rules on wide screens."""

from pathlib import Path

import tinycss2


def test_every_rule_is_closed_and_no_condition_stands_inside_another(root: Path) -> None:
    css = (root / "book/labs/labs.css").read_text(encoding="utf-8")
    rules = tinycss2.parse_stylesheet(css, skip_comments=True, skip_whitespace=True)
    assert len(rules) > 100
    for rule in rules:
        assert rule.type != "error", f"line {rule.source_line}: {rule.message}"
        if rule.type == "at-rule":
            inside = tinycss2.parse_rule_list(
                rule.content, skip_comments=True, skip_whitespace=True
            )
            assert {one.type for one in inside} == {"qualified-rule"}, f"line {rule.source_line}"
    assert css.count("{") == css.count("}")
