"""Sentences of the indirect object identification task.

The style is that of Wang et al. 2022, Appendix E: two names in an opening clause, one of them again
as the subject of a second clause, which breaks off before the recipient.

Slots: `[A]` and `[B]` are the first two names, `[S]` is the subject's second mention, `[PLACE]` and
`[OBJECT]` are drawn. No template starts with a name, so that each name follows a space: tokenizers
such as GPT-2's give a word another token without it.
"""

TEMPLATES: tuple[str, ...] = (
    "When [A] and [B] went to the [PLACE], [S] gave a [OBJECT] to",
    "Then, [A] and [B] walked to the [PLACE]. [S] decided to give a [OBJECT] to",
    "While [A] and [B] were working in the [PLACE], [S] handed a [OBJECT] to",
    "Yesterday, [A] and [B] had fun at the [PLACE]. [S] bought a [OBJECT] for",
    "After [A] and [B] found a [OBJECT] at the [PLACE], [S] decided to give it to",
    "The friends [A] and [B] had lunch at the [PLACE]. [S] passed a [OBJECT] to",
    "The [PLACE] that [A] and [B] knew was closed, so [S] sent a [OBJECT] to",
    "As [A] and [B] were commuting to the [PLACE], [S] said something to",
    "Then, [A] and [B] had a long argument about a [OBJECT], and afterwards [S] talked to",
    "After the lunch, [A] and [B] went out. [S] showed a [OBJECT] to",
    "It was a long day for [A] and [B] at the [PLACE]. Afterwards, [S] offered a [OBJECT] to",
    "Because [A] and [B] were late for lunch, [S] made a [OBJECT] for",
    "When [A] and [B] thought about the [OBJECT], [S] was happy to give it to",
    "The weather was nice, so [A] and [B] ran to the [PLACE]. [S] had to lend a [OBJECT] to",
    "Nobody knew why [A] and [B] were in the [PLACE]. Then, [S] brought a [OBJECT] to",
)
"""The templates of the course; each is used in both orders."""
