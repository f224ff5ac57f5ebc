"""What goes wrong."""

from __future__ import annotations


class MioError(Exception):
    """What happened, where, and what to do about it.

    Attributes:
        code: for programs: "invalid-input", "invalid-model", "unsupported", "context-full", "cache-full", "failed" or
            "cancelled".
    """

    code = "failed"


class InvalidInputError(MioError, ValueError):
    """A text, sound, image, option or list that cannot be used."""

    code = "invalid-input"


class InvalidModelError(MioError):
    """The model file is damaged, of another version, or no model file."""

    code = "invalid-model"


class UnsupportedError(MioError):
    """The model lacks what is asked for, a speech codec for instance."""

    code = "unsupported"


class ContextFullError(MioError):
    """The prompt and the reply do not fit the context."""

    code = "context-full"


class CacheFullError(MioError, MemoryError):
    """What may be needed does not fit the memory for keys and values."""

    code = "cache-full"


class CancelledError(MioError):
    """The work was stopped by `Stream.cancel`."""

    code = "cancelled"


_KINDS = {
    1: InvalidInputError,
    2: InvalidModelError,
    3: UnsupportedError,
    4: ContextFullError,
    5: CacheFullError,
    7: CancelledError,
}


def error(status: int, message: str) -> MioError:
    """The error of a status of the library."""
    return _KINDS.get(status, MioError)(message)
