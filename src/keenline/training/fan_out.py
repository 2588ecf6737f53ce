"""How pieces of work that do not know each other are given away: a port, and the plainest way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class FanOut(Protocol):
    """Does one thing to many items, on one processor or on a hundred machines.

    Work, items and results cross processes: they must be picklable, and the work a function of a
    module. What the work raises is raised here, and the rest is given up.
    """

    def __call__(
        self, work: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[tuple[int, Result]]:
        """Place and result of each item, in the order in which they are done."""
        ...


def one_by_one(
    work: Callable[[Item], Result], items: Sequence[Item]
) -> Iterator[tuple[int, Result]]:
    """In this process, one after the other."""
    for place, item in enumerate(items):
        yield place, work(item)
