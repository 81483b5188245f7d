"""Answers that a page can check, but that nobody reads in it by the way.

A laboratory tells at once whether an answer is right, also where solutions are withheld. It then
holds the answers sealed: what it says of an answer is encrypted with that very answer as the key.
Somebody who gives an answer finds what is said of it; somebody who looks at the page's source, or
searches the site, finds nothing.

This keeps an answer from being come across, and nothing more. Whoever tries all answers finds the
right one, as with any check that tells right from wrong: 25 trials for five blanks and five labels.
"""

import base64
import hashlib
from collections.abc import Mapping

SALT = "circuits-and-rewards"
"""Keeps the keys apart from those that others may have computed from the same words. It is the same
in every build, so that builds are alike."""

_KEY = 16
"""Hexadecimal digits of a key."""


def key_of(answer: str) -> str:
    """Under which key something is filed that is said of an answer.

    Args:
        answer: The answer.

    Returns:
        Hexadecimal digits.
    """
    return _digest(answer, "key").hex()[:_KEY]


def seal(answer: str, text: str, length: int = 0) -> str:
    """Encrypts what is said of an answer.

    Args:
        answer: The answer, which is the key.
        text: What is said of it.
        length: Length in bytes to which the text is filled up with spaces, so that its length says
            nothing.

    Returns:
        Base64.
    """
    return base64.b64encode(_mixed(answer, text.encode().ljust(length))).decode()


def unseal(answer: str, sealed: str) -> str:
    """The text that was sealed; `book/labs/blanks/sealed.js` does the same.

    Args:
        answer: The answer it was sealed with.
        sealed: As `seal` returns it.

    Returns:
        The text.

    Raises:
        ValueError: If it was sealed with another answer (in all likelihood).
    """
    return _mixed(answer, base64.b64decode(sealed)).decode().rstrip()


def sealed_texts(texts: Mapping[str, str]) -> dict[str, str]:
    """Seals what is said of each of several answers, all to one length.

    Args:
        texts: What is said of each answer.

    Returns:
        The sealed texts under their keys, in the order of the keys.
    """
    length = max(len(text.encode()) for text in texts.values())
    found = {key_of(answer): seal(answer, text, length) for answer, text in texts.items()}
    return dict(sorted(found.items()))


def _mixed(answer: str, text: bytes) -> bytes:
    """Adds a stream of bytes made from the answer, which takes itself away the second time."""
    stream = b"".join(_digest(answer, str(part)) for part in range(len(text) // 32 + 1))
    return bytes(a ^ b for a, b in zip(text, stream, strict=False))


def _digest(answer: str, what: str) -> bytes:
    return hashlib.sha256(f"{SALT}|{what}|{answer}".encode()).digest()
