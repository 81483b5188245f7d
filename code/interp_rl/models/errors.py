"""What can go wrong with a model; each error says what was wrong and what to do about it."""


class ModelError(Exception):
    """Any trouble with a model, its files or the text given to it."""


class UnknownModelError(ModelError, LookupError):
    """No model has that name."""


class EditionError(ModelError, ValueError):
    """The edition does not exist, or has no such model."""


class MissingModelError(ModelError, FileNotFoundError):
    """A model's directory, or a file in it, is not there."""


class CardError(ModelError, ValueError):
    """A card cannot be read or lacks a field."""


class ChecksumError(ModelError, ValueError):
    """A file is not the one its card describes."""


class KindError(ModelError, TypeError):
    """A classifier was asked for as a language model, or the other way round."""


class WeightsError(ModelError, ValueError):
    """The weights cannot be loaded: cut short, pickled, or made for another architecture."""


class TokenizerError(ModelError, ValueError):
    """The tokenizer lacks what the course needs."""


class LabelsError(ModelError, ValueError):
    """A classifier's labels are not those that the course works with."""


class HubUnavailableError(ModelError, ConnectionError):
    """A model of the hub edition is neither on this machine nor within reach."""


class TextError(ModelError, ValueError):
    """The text cannot be turned into tokens that the model knows."""
