"""Trains `sentiment-mini`, which tells whether a review praises or blames.

    python -m interp_rl.models.recipes.sentiment_mini --seed 0 --out runs/sentiment-mini

How it is trained is told in `reviews_classifier`; here is what is chosen for this task.
"""

import sys
from dataclasses import dataclass

from interp_rl.models.recipes import fitting, reviews_classifier


@dataclass(frozen=True)
class Recipe(reviews_classifier.Recipe):
    """The settings of `sentiment-mini`."""

    task: str = "sentiment"
    """the label that is learned"""
    steps: int = 3_000
    """optimizer steps; negation takes more of them than emotions do"""


def main(arguments: list[str] | None = None) -> None:
    """Command line: every setting is an option.

    Args:
        arguments: As on the command line; `sys.argv` if left out.
    """
    reviews_classifier.run(*fitting.parse_settings(Recipe, __doc__, arguments))


if __name__ == "__main__":
    main(sys.argv[1:])
