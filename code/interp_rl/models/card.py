"""Model cards: what a model is, how it was trained, what it can do, its files' checksums."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from html import escape
from pathlib import Path
from typing import Any, TypeGuard

from interp_rl.models.errors import CardError, MissingModelError
from interp_rl.models.table import Row, Table, framed

CARD_FILE = "card.json"
"""Name of the card's file in a model's directory."""

_OPEN = 4
"""Longer lists are folded in a notebook."""


@dataclass(frozen=True)
class ModelCard:
    """What is to be known about a model. A field that does not apply is `None` or empty."""

    name: str
    """what `load` calls it"""
    what: str
    """one or two sentences: what it is and what it is for"""
    title: str = ""
    """its name in prose"""
    source: str = ""
    """where a model comes from that the course did not train"""
    architecture: Any = None
    """family and sizes"""
    parameters: int | None = None
    """number of trained weights"""
    trained_on: Any = None
    """the training text"""
    training_aids: Any = None
    """whatever made one solution likelier than others, openly"""
    recipe: Any = None
    """what trains it again: module, settings, command"""
    seed: int | None = None
    """the seed the shipped weights were trained from"""
    steps: int | None = None
    """optimizer steps"""
    criteria: Any = None
    """what was demanded of the model before it was trained"""
    seeds: Any = None
    """every seed that was trained, with its outcome"""
    selection_rule: Any = None
    """how the shipped seed was chosen among them"""
    figures: dict[str, Any] = field(default_factory=dict)
    """measurements of the shipped weights"""
    files: dict[str, str] = field(default_factory=dict)
    """sha256 of each file, in hexadecimal"""
    more: dict[str, Any] = field(default_factory=dict)
    """whatever else the card says"""

    @classmethod
    def read(cls, directory: Path) -> "ModelCard":
        """Reads `card.json`.

        Args:
            directory: The model's directory.

        Returns:
            The card; entries that are no field of `ModelCard` are kept under `more`.

        Raises:
            MissingModelError: If there is no card.
            CardError: If it is not a JSON object with a name, what the model is, and checksums.
        """
        path = directory / CARD_FILE
        if not path.is_file():
            raise MissingModelError(
                f"{directory} has no {CARD_FILE}, so its files cannot be verified. The cards of "
                "embedded models come with the package: reinstall it."
            )
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CardError(
                f"{path} is not valid JSON ({error}). Reinstall the package."
            ) from error
        needed = ("name", "what", "files")
        lacking = [key for key in needed if not (isinstance(entries, dict) and entries.get(key))]
        if lacking:
            raise CardError(
                f"{path} must be a JSON object with {', '.join(needed)}; lacking: {lacking}"
            )
        known = {f.name for f in fields(cls)} - {"more"}
        more = {key: value for key, value in entries.items() if key not in known}
        return cls(**{key: entries[key] for key in known & entries.keys()}, more=more)

    def _entries(self) -> dict[str, Any]:
        """The fields that say something, in order, then those of `more`."""
        entries = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "more"}
        entries |= self.more
        entries["files"] = {name: f"sha256 {digest[:12]}…" for name, digest in self.files.items()}
        # runs have tables of their own, so that what they differ in is left
        if _are_runs(self.seeds):
            entries["seeds"] = [run.get("seed") for run in self.seeds]
        if _are_runs(without := self.more.get("aids_ablation")):
            entries["aids_ablation"] = {_run(run): run.get("differs") for run in without}
        return {key: value for key, value in entries.items() if value not in (None, "", [], {})}

    def _tables(self) -> list[Table]:
        """Every seed side by side, and the shipped one beside the runs without an aid."""
        tables, columns = [], {}
        if _are_runs(self.seeds):
            accepted = sum(bool(run.get("accepted")) for run in self.seeds)
            for run in self.seeds:
                shipped = run.get("seed") == self.seed
                columns[f"seed {run.get('seed')}{' (shipped)' if shipped else ''}"] = run
            caption = f"{self.name}: {accepted} of {len(self.seeds)} seeds accepted"
            tables.append(_side_by_side(caption, columns))
        if _are_runs(without := self.more.get("aids_ablation")):
            whole = {name: run for name, run in columns.items() if name.endswith("(shipped)")}
            caption = f"{self.name}: the shipped model beside models trained without an aid"
            tables.append(_side_by_side(caption, whole | {_run(run): run for run in without}))
        return tables

    def __repr__(self) -> str:
        lines = [f"{_words(key)}: {_text(value)}" for key, value in self._entries().items()]
        return "\n\n".join(["\n".join(lines), *map(repr, self._tables())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row">{escape(_words(key))}</th><td>{_html(value)}</td></tr>'
            for key, value in self._entries().items()
        )
        card = framed(f"Model card: {self.title or self.name}", f"<tbody>{rows}</tbody>")
        return "".join([card, *(table._repr_html_() for table in self._tables())])


def _are_runs(entry: Any) -> TypeGuard[list[dict[str, Any]]]:
    """Whether an entry of the card describes training runs."""
    return isinstance(entry, list) and bool(entry) and all(isinstance(run, dict) for run in entry)


def _run(run: Mapping[str, Any]) -> str:
    return str(run.get("run", "")).replace("without-", "without ")


def _side_by_side(caption: str, runs: Mapping[str, Mapping[str, Any]]) -> Table:
    """A column for each run; rows for the criteria, then for every number that a run has."""
    criteria: dict[str, None] = {}
    numbers: dict[str, None] = {}
    for run in runs.values():
        criteria |= dict.fromkeys(run.get("passed", {}))
        numbers |= {key: None for key, value in run.items() if type(value) in (int, float)}
    numbers.pop("seed", None)

    def row(key: str, values: list[Any], shown: Callable[[Any], str]) -> Row:
        return [key, *("–" if value is None else shown(value) for value in values)]

    def verdict(holds: bool) -> str:
        return "passed" if holds else "failed"

    groups: dict[str, list[Row]] = {
        "criteria": [
            row(key, [run.get("passed", {}).get(key) for run in runs.values()], verdict)
            for key in criteria
        ],
        "figures": [row(key, [run.get(key) for run in runs.values()], _number) for key in numbers],
    }
    if any("accepted" in run for run in runs.values()):
        groups["criteria"].append(
            row("all of them", [run.get("accepted") for run in runs.values()], verdict)
        )
    if any("–" in line for rows in groups.values() for line in rows):
        caption += " (–: not measured, such heads were not found)"
    return Table(caption, ("run", *runs), {name: rows for name, rows in groups.items() if rows})


def _words(key: str) -> str:
    return key.replace("_", " ")


def _number(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {_text(part)}" for key, part in value.items())
    if isinstance(value, list):
        return "; ".join(_text(part) for part in value)
    return _number(value)


def _html(value: object) -> str:
    if isinstance(value, dict):
        parts = [f"{escape(str(key))}: {_html(part)}" for key, part in value.items()]
    elif isinstance(value, list):
        parts = [_html(part) for part in value]
    else:
        return escape(_number(value))
    items = f"<ul>{''.join(f'<li>{part}</li>' for part in parts)}</ul>"
    if len(parts) <= _OPEN:
        return items
    return f"<details><summary>{len(parts)} entries</summary>{items}</details>"
