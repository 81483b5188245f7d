"""What every method of attribution gives back: one number for each token and output of a text."""

from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from interp_rl.attribution.text_models import find_output


@dataclass(frozen=True, eq=False)
class Attribution:
    """How much each token of a text contributes to each output of a model."""

    text: str
    """the text"""
    words: tuple[str, ...]
    """the characters that each token covers"""
    values: Float[Tensor, "token output"]
    """positive where the token raises the output"""
    base: Float[Tensor, " output"]
    """the base value: the outputs with every token masked"""
    full: Float[Tensor, " output"]
    """the outputs for the text itself"""
    output_names: tuple[str, ...]
    """what the outputs are"""
    method: str
    """how the values were found"""

    def of(self, name: str) -> Float[Tensor, " token"]:
        """The values of one output.

        Args:
            name: One of `output_names`.

        Returns:
            One number for each token.

        Raises:
            ValueError: If there is no such output.
        """
        return self.values[:, find_output(name, self.output_names)]

    @property
    def missing(self) -> Float[Tensor, " output"]:
        """What the values fail to account for: full minus base minus their sum."""
        return self.full - self.base - self.values.sum(0)

    def ranking(self, name: str) -> Int[Tensor, " token"]:
        """The tokens in order of their values, the one that raises the output most first.

        Args:
            name: One of `output_names`.

        Returns:
            Indices of tokens; of equal ones the earlier first.
        """
        return self.of(name).argsort(descending=True, stable=True)
