"""What a command has to say turned into calm, aligned text; or kept off a stream of JSON."""

from __future__ import annotations

import json
import os
import shlex
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console, RenderableType
from rich.text import Text

if TYPE_CHECKING:
    from keenline.models.base import Progress  # which takes long to import

_LABEL = 12
"""Columns of the label before a fact."""
_PIPE_WIDTH = 1000
"""Columns where no one looks: text in a pipe or a file is never wrapped."""
_LISTED = 10
"""Files of a list that are shown; the others are counted."""


class Terminal:
    """Where a command speaks: results on stdout, everything about the work on stderr.

    With `as_json` only `emit` reaches stdout, and progress is shown on a terminal only.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self._out = _console(sys.stdout.isatty(), stderr=False)
        self._err = _console(sys.stderr.isatty(), stderr=True)

    @property
    def out_is_terminal(self) -> bool:
        """Whether a person sees stdout."""
        return self._out.is_terminal

    def emit(self, record: Mapping[str, object]) -> None:
        """One JSON object on one line of stdout, at once."""
        print(json.dumps(record, ensure_ascii=False, allow_nan=False), flush=True)

    def say(self, line: str = "", style: str = "") -> None:
        """One line for people; wrapped at words on a terminal."""
        self.show(Text(line, style))

    def show(self, what: RenderableType) -> None:
        """A table or a styled line for people."""
        if not self.as_json:
            self._out.print(what, soft_wrap=not self._out.is_terminal)

    def row(self, line: Text) -> None:
        """A line that is never wrapped or cut by us, so that a path in it can be copied."""
        if not self.as_json:
            self._out.print(line, soft_wrap=True)

    def fact(self, label: str, value: str, style: str = "") -> None:
        """A label and what it is, aligned with the others."""
        lines = [value]
        if self._out.is_terminal:
            room = max(20, self._out.width - _LABEL - 2)
            lines = textwrap.wrap(value, room, break_long_words=False, break_on_hyphens=False) or [
                ""
            ]
        for place, line in enumerate(lines):
            name = label if place == 0 else ""
            self.row(Text.assemble("  ", (f"{name:<{_LABEL}}", "dim"), (line, style)))

    def table(self, heading: Sequence[str], rows: Iterable[Sequence[str]], bold: str = "") -> None:
        """Columns that line up, the first to the left; the row that begins with `bold` stands out.

        Plain text: it reads the same in a terminal, a log file and a mail.
        """
        listed = [heading, *rows]
        first = max(16, *(len(row[0]) for row in listed))
        widths = [max(len(cell) for cell in column) + 3 for column in zip(*listed, strict=True)]
        for place, row in enumerate(listed):
            cells = (f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
            style = "dim" if place == 0 else "bold" if row[0] == bold else ""
            self.row(Text(f"  {row[0]:<{first}}" + "".join(cells), style))

    def skipped(self, files: Iterable[tuple[str, str]]) -> None:
        """Files that were not used, each with why; the first ones by name, the others counted."""
        listed = list(files)
        if not listed:
            return
        self.fact("skipped", _count(len(listed), "file"), "yellow")
        for path, why in listed[:_LISTED]:
            self.row(Text.assemble(" " * (_LABEL + 2), path, "  ", (why, "dim")))
        if len(listed) > _LISTED:
            self.row(Text(" " * (_LABEL + 2) + f"and {len(listed) - _LISTED} more", "dim"))

    def next_step(self, *command: str) -> None:
        """The command that makes sense now."""
        words = shlex.join(command)
        self.say()
        self.row(Text.assemble(("Next:  ", "dim"), (words, "bold")))

    def complain(self, title: str, rest: str) -> None:
        """An error, on stderr."""
        self._err.print(Text(title, "bold red"), soft_wrap=True)
        if rest:
            self._err.print(Text(rest), soft_wrap=True)

    def note(self, words: str) -> None:
        """What somebody should know, on stderr, so that it is told beside `--json` too."""
        self._err.print(Text(words, "dim"), soft_wrap=True)

    @contextmanager
    def steps(self) -> Iterator[Progress]:
        """A bar for each step of the work, on stderr, only where a person sees it."""
        if not self._err.is_terminal:
            yield _nobody_looks
            return
        from keenline.cli.bars import bars

        with bars(self._err) as progress:
            yield progress
        self._err.print()

    @contextmanager
    def live(self, render: Callable[[], RenderableType]) -> Iterator[Callable[[], None]]:
        """A view that is drawn anew at each call of what this gives; only where a person sees
        it, and gone at the end."""
        if not self._out.is_terminal or self.as_json:
            yield lambda: None
            return
        from rich.live import Live

        with Live(render(), console=self._out, auto_refresh=False, transient=True) as view:
            yield lambda: view.update(render(), refresh=True)

    @contextmanager
    def waiting(self, words: str) -> Iterator[None]:
        """Say what takes a moment, on stderr, only where a person sees it."""
        if not self._err.is_terminal:
            yield
            return
        with self._err.status(words, spinner="line"):
            yield


def _nobody_looks(step: str, done: int, total: int) -> None:
    """A `Progress` where no one sees it."""


def _console(is_terminal: bool, *, stderr: bool) -> Console:
    fixed = None if is_terminal or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(
        stderr=stderr, width=fixed, highlight=False, markup=False, emoji=False, legacy_windows=False
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
