"""A run that memory is too short for turned into one with smaller batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from keenline.errors import Code, TrainingError

Result = TypeVar("Result")

_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")


def with_smaller_batches(
    attempt: Callable[[int], Result], batch: int, told: Callable[[str], None]
) -> Result:
    """What `attempt` gives for a batch of this size, or of half, a quarter, ... of it.

    told: one sentence each time. Raises TrainingError (MEMORY_SHORT) when one crop is too much.
    """
    while True:
        try:
            return attempt(batch)
        except (MemoryError, RuntimeError) as error:
            if not _is_short(error):
                raise
            if batch == 1:
                raise TrainingError(
                    Code.MEMORY_SHORT,
                    "There is too little memory even for one crop at a time",
                    got=f"{type(error).__name__}: {error}".splitlines()[0],
                    next="give a smaller --crop, or use a machine with more memory",
                ) from error
        batch //= 2
        told(f"memory was too short for that: going on with batches of {batch}")


def _is_short(error: BaseException) -> bool:
    words = str(error).lower()
    return isinstance(error, MemoryError) or any(word in words for word in _WORDS)
