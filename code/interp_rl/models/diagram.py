"""The diagram of a GPT-2-style decoder: with five blanks, complete, or with a model's true shapes.

All three are one drawing with other words in it, read from the bottom up. The residual stream is
the trunk on the left: the parts on the right read it, and an "add" writes their result back.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Literal

from interp_rl.models.shapes import Step, trace
from interp_rl.plots import BLUE, GREEN, PURPLE, Picture, picture

if TYPE_CHECKING:
    import transformer_lens.model_bridge

WORD_BANK = ("Dropout", "Attention", "Index 1", "Token embed", "add")
"""The labels that fill the blanks, each used once."""

ANSWERS: Mapping[int, str] = {
    1: "Index 1",
    2: "Token embed",
    3: "Attention",
    4: "Dropout",
    5: "add",
}
"""The right label of each blank; the blanks are numbered along the way that the data take."""

Notes = Mapping[str, tuple[str, ...]]
"""The small print under the labels: one or two lines for each part."""

_NOTES: Notes = {
    "Index 0": ("which token?",),
    "Index 1": ("which position?",),
    "Token embed": ("row of W_E",),
    "Position embed": ("row of W_pos",),
    "LayerNorm": ("mean 0, variance 1",),
    "Attention": ("each position reads", "itself and earlier ones"),
    "MLP": ("each position", "by itself"),
    "Dropout": ("in training only",),
    "Unembed": ("multiplies by W_U",),
    "logits": ("a score for every next token",),
    "residual stream": (),
    "block": ("one of n_layers blocks",),
}


def decoder(*, blanks: bool = False) -> Picture:
    """The diagram for a model of any size.

    Args:
        blanks: Whether to leave out the five labels of `ANSWERS`, and to print the word bank and a
            form in which to choose a label for each blank.

    Returns:
        The picture.
    """
    if not blanks:
        return _Drawing(_NOTES, "solved").picture()
    return replace(_Drawing(_NOTES, "blank").picture(), table=_form())


def decoder_with_shapes(
    model: transformer_lens.model_bridge.TransformerBridge, text: str
) -> Picture:
    """The diagram with the shapes that a model's tensors have when it reads a text.

    Args:
        model: A GPT-2 with hooks, as `load_hooked` returns it.
        text: What it reads.

    Returns:
        The picture. The axis of the batch is left out. Where a model has no MLPs, they are dashed.

    Raises:
        TextError: If the model cannot read the text.
        ValueError: If the model is not a GPT-2.
    """
    notes = _shapes(trace(model, text), model.cfg.n_layers)
    absent = _silent_mlps(model)
    if absent:
        notes["MLP"] = ("none in this model", "(adds zero)")
    return _Drawing(notes, "shapes", absent).picture()


def _shapes(steps: list[Step], n_layers: int) -> dict[str, tuple[str, ...]]:
    """The shapes of a run, in the places of `_NOTES`."""
    size = {step.hook.split(".")[-1]: " × ".join(map(str, step.shape[1:])) for step in steps}
    positions, stream, logits = size["hook_pattern"], size["hook_resid_post"], size["hook_unembed"]
    return {
        "Index 0": (f"{size['hook_in']} token ids",),
        "Index 1": (f"{size['hook_in']} positions",),
        "Token embed": (size["hook_embed"],),
        "Position embed": (size["hook_pos_embed"],),
        "LayerNorm": (size["hook_normalized"],),
        "Attention": (f"q, k, v: {size['hook_q']}", f"pattern: {positions}"),
        "MLP": (f"hidden: {size['hook_post']}", f"out: {size['hook_mlp_out']}"),
        "Dropout": (stream,),
        "Unembed": (f"W_U: {stream.split()[-1]} × {logits.split()[-1]}",),
        "logits": (logits,),
        "residual stream": (stream,),
        "block": (f"one of {n_layers} blocks",),
    }


def _silent_mlps(model: transformer_lens.model_bridge.TransformerBridge) -> bool:
    """Whether no MLP of a model writes anything but zeros."""
    hooks = [f"blocks.{block}.hook_mlp_out" for block in range(model.cfg.n_layers)]
    _, cache = model.run_with_cache(model.to_tokens(""), names_filter=hooks)
    return not any(cache[hook].any() for hook in hooks)


# -------------------------------------------------------------------------------------------------
# Drawing: x runs to the right and y down, in units of about a pixel
# -------------------------------------------------------------------------------------------------

_TRUNK, _BRANCH = 112, 286  # x of the residual stream, and of the middle of what reads it


@dataclass(frozen=True)
class _Drawing:
    """What differs between the three versions of the diagram."""

    notes: Notes
    version: Literal["blank", "solved", "shapes"]
    silent_mlps: bool = False

    def picture(self) -> Picture:
        blank = self.version == "blank"
        parts = [
            _text(_TRUNK, 12, "logits", bold=True),
            _text(_TRUNK, 26, *self.notes["logits"]),
            _arrow((_TRUNK, 46), (_TRUNK, 32)),
            self._box(_TRUNK, 46, "Unembed", tint=PURPLE),
            _arrow((_TRUNK, 92), (_TRUNK, 78)),
            self._box(_TRUNK, 92, "LayerNorm"),
            _rectangle(8, 140, 364, 340, radius=10, dash="2 4"),
            _text(362, 155, *self.notes["block"], anchor="end"),
            _arrow((_TRUNK, 168), (_TRUNK, 124), width=2.4),
            self._branch(164, "MLP", GREEN, dropout=4, add=5),
            _arrow((_TRUNK, 328), (_TRUNK, 192), width=2.4),
            self._branch(324, "Attention", BLUE, middle=3),
            _arrow((_TRUNK, 498), (_TRUNK, 352), width=2.4),
            _text(54, 264, "residual", "stream x", *self.notes["residual stream"]),
            self._box(_TRUNK, 498, "Dropout"),
            _arrow((_TRUNK, 544), (_TRUNK, 530), width=2.4),
            self._add(556),
            _arrow((_TRUNK, 582), (_TRUNK, 568)),
            _arrow((_BRANCH, 582), (_BRANCH, 556), (_TRUNK + 34, 556)),
            self._box(_TRUNK, 582, "Token embed", tint=PURPLE, blank=2),
            self._box(_BRANCH, 582, "Position embed", tint=PURPLE),
            _arrow((_TRUNK, 628), (_TRUNK, 614)),
            _arrow((_BRANCH, 628), (_BRANCH, 614)),
            self._box(_TRUNK, 628, "Index 0", round_ends=True),
            self._box(_BRANCH, 628, "Index 1", round_ends=True, blank=1),
            _text(190, 676, "Each token enters as two indices, counted from 0."),
            _word_bank(688) if blank else "",
        ]
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 380 {742 if blank else 684}" '
            'fill="currentColor" font-size="11">'
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" '
            'markerHeight="8" markerUnits="userSpaceOnUse" orient="auto">'
            '<path d="M0 0.5 8 4 0 7.5z"/></marker></defs>'
            f"{''.join(parts)}</svg>"
        )
        return picture(svg, alt=self._alt(), scale=1.35)

    def _branch(
        self,
        y: int,
        part: str,
        tint: str,
        *,
        middle: int | None = None,
        dropout: int | None = None,
        add: int | None = None,
    ) -> str:
        """A part that reads the trunk at y + 146, and writes to it at y + 16."""
        dashed = part == "MLP" and self.silent_mlps
        return "".join(
            (
                f'<circle cx="{_TRUNK}" cy="{y + 146}" r="2.5"/>',
                _arrow((_TRUNK, y + 146), (_BRANCH, y + 146), (_BRANCH, y + 134)),
                self._box(_BRANCH, y + 102, "LayerNorm", dashed=dashed),
                _arrow((_BRANCH, y + 102), (_BRANCH, y + 90)),
                self._box(_BRANCH, y + 46, part, tint=tint, blank=middle, dashed=dashed),
                _arrow((_BRANCH, y + 46), (_BRANCH, y + 32)),
                self._box(_BRANCH, y, "Dropout", blank=dropout, dashed=dashed),
                _arrow((_BRANCH - 78, y + 16), (_TRUNK + 34, y + 16)),
                self._add(y + 16, blank=add),
            )
        )

    def _box(
        self,
        x: int,
        y: int,
        label: str,
        *,
        tint: str = "none",
        blank: int | None = None,
        dashed: bool = False,
        round_ends: bool = False,
    ) -> str:
        """A part with its label and notes; x is its middle, y its upper edge."""
        lines = self.notes[label]
        height = 20 + 12 * len(lines)
        empty = self.version == "blank" and blank is not None
        frame = _rectangle(
            x - 78,
            y,
            156,
            height,
            radius=height // 2 if round_ends else 5,
            tint="none" if empty else tint,
            dash="5 3" if empty or dashed else "",
        )
        notes = _text(x, y + 27, *lines)
        return frame + notes + self._label(x, y + 14, label, blank, line=(x - 50, x + 64))

    def _add(self, y: int, *, blank: int | None = None) -> str:
        """Where something is added to the trunk; y is its middle."""
        empty = self.version == "blank" and blank is not None
        frame = _rectangle(_TRUNK - 34, y - 12, 68, 24, radius=12, dash="5 3" if empty else "")
        line = (_TRUNK - 12, _TRUNK + 26)
        return frame + self._label(_TRUNK, y + 4, "add", blank, line=line)

    def _label(
        self, x: int, y: int, label: str, blank: int | None, *, line: tuple[int, int]
    ) -> str:
        """A label; or, with a number before it, a line to write it on."""
        if blank is None or self.version == "shapes":
            return _text(x, y, label, bold=True)
        centre = line[0] - 11
        number = (
            f'<circle cx="{centre}" cy="{y - 4}" r="7.5" fill="none" stroke="currentColor"/>'
            + _text(centre, y, str(blank), bold=True)
        )
        if self.version == "solved":
            return f"<g>{number}{_text(x, y, label, bold=True)}</g>"
        rule = f'<path d="M{line[0]} {y + 2}H{line[1]}" stroke="currentColor"/>'
        return f'<g class="blank" data-blank="{blank}">{number}{rule}</g>'

    def _alt(self) -> str:
        """Everything that the diagram shows, in words."""
        label = {**ANSWERS, 5: "an add"}
        if self.version == "blank":
            label = {number: f"blank {number}" for number in ANSWERS}
        text = (
            "Diagram of a GPT-2-style decoder, read from the bottom up. Each token enters as two "
            f"indices, counted from 0: Index 0, which token, goes into {label[2]}, and {label[1]}, "
            "which position, goes into Position embed. An add sums the two; with it begins the "
            "residual stream x, the trunk on which everything else reads and writes. It passes "
            "Dropout and enters one of n_layers blocks. In the block, LayerNorm reads the trunk and"
            f" passes on to {label[3]}, in which each position reads itself and earlier ones, and "
            "then to Dropout; an add writes the result into the trunk. Above, a second LayerNorm "
            "reads the trunk and passes on to the MLP, which treats each position by itself, and "
            f"then to {label[4]}; {label[5]} writes the result into the trunk. Above the blocks "
            "follow LayerNorm, Unembed and the logits, a score for each possible next token."
        )
        if self.version == "blank":
            text += f" Word bank: {', '.join(WORD_BANK)}."
        if self.version == "shapes":
            shapes = "; ".join(f"{part}: {', '.join(lines)}" for part, lines in self.notes.items())
            text += f" In this model: {shapes}."
        return text


def _text(x: int, y: int, *lines: str, bold: bool = False, anchor: str = "middle") -> str:
    """Lines of text; what follows an underscore in a line is set lower."""
    style = f'text-anchor="{anchor}"' + (' font-weight="600" font-size="13"' if bold else "")
    return "".join(
        f'<text x="{x}" y="{y + 12 * number}" {style}>{_lowered(line)}</text>'
        for number, line in enumerate(lines)
    )


def _lowered(line: str) -> str:
    return re.sub(
        r"_(\w+)(.*)",
        r'<tspan dy="2.5" font-size="8">\1</tspan><tspan dy="-2.5">\2</tspan>',
        escape(line),
    )


def _rectangle(
    x: int,
    y: int,
    width: int,
    height: int,
    *,
    radius: int,
    tint: str = "none",
    dash: str = "",
) -> str:
    return (
        f'<rect x="{x}" y="{y}" width="{width}" height="{height}" rx="{radius}" fill="{tint}" '
        'fill-opacity="0.2" stroke="currentColor" stroke-width="1.2"'
        + (f' stroke-dasharray="{dash}"/>' if dash else "/>")
    )


def _arrow(*points: tuple[int, int], width: float = 1.2) -> str:
    path = f"M{' '.join(f'{x} {y}' for x, y in points)}"
    return (
        f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="{width}" '
        'marker-end="url(#tip)"/>'
    )


def _word_bank(y: int) -> str:
    """The labels to choose from, with the upper edge of their frame at y."""
    frame = _rectangle(8, y, 364, 46, radius=5)
    title = _text(190, y + 16, "Word bank: each label fills one blank")
    places = zip((46, 121, 193, 279, 351), WORD_BANK, strict=True)
    return frame + title + "".join(_text(x, y + 35, word, bold=True) for x, word in places)


def _form() -> str:
    """One list of labels for each blank; it needs no script, and can be filled in by pen."""
    options = "".join(f"<option>{label}</option>" for label in ("", *WORD_BANK))
    fields = "".join(
        f'<label style="white-space:nowrap">Blank&nbsp;{number} <select autocomplete="off" '
        f'style="width:8.5em">{options}</select></label>'
        for number in ANSWERS
    )
    return (
        '<fieldset class="answer-form" style="max-width:32em;margin:.5em auto;font-size:.9em">'
        '<legend style="font-size:1em">Your label for each blank</legend>'
        f'<div style="display:flex;flex-wrap:wrap;gap:.5em 1em">{fields}</div></fieldset>'
    )
