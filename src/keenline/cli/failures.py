"""An error turned into a few readable lines (or one JSON object) and an exit code."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from keenline.cli.terminal import Terminal
from keenline.errors import (
    Code,
    EngineError,
    EnvironmentMissing,
    InputError,
    KeenlineError,
    LineError,
    ModelError,
    RecipeError,
    RecordError,
    StationError,
    TrainingError,
)

STOPPED = 130
"""The exit code after Ctrl-C: 128 + SIGINT, as shells do it."""

TERMINATED = 143
"""The exit code after `kill`: 128 + SIGTERM."""

EXIT_CODES = {
    0: "done",
    1: "a part did not pass (inspect --exit-verdict), or was lost (simulate)",
    2: "the command was typed wrong",
    3: "what was given cannot be used (errors KL1xxx)",
    4: "a bundle or backbone cannot be used, or a part not learnt (KL2xxx)",
    5: "a graph could not be run (KL3xxx)",
    6: "something optional is not installed (KL4xxx)",
    7: "a camera, PLC or station cannot be used (KL5xxx)",
    8: "records cannot be kept, found or trusted (KL6xxx)",
    STOPPED: "stopped with Ctrl-C",
    TERMINATED: "ended by kill (SIGTERM)",
}
"""What a script may rely on."""

_KINDS = (
    (InputError, 3),
    (ModelError, 4),
    (EngineError, 5),
    (EnvironmentMissing, 6),
    (LineError, 7),
    (RecordError, 8),
)


@contextmanager
def failing_calmly(terminal: Terminal) -> Iterator[None]:
    """Run a command; a foreseen error ends it with words and a code, never with a traceback."""
    try:
        yield
    except KeenlineError as error:
        _tell(error, terminal)
        raise typer.Exit(exit_code(error)) from error
    except MemoryError as error:
        short = TrainingError(
            Code.MEMORY_SHORT,
            "There is too little memory for this",
            got=str(error) or None,
            next="give fewer --jobs or a smaller size, or use a machine with more memory",
        )
        _tell(short, terminal)
        raise typer.Exit(exit_code(short)) from error
    except KeyboardInterrupt as stopped:
        raise typer.Exit(STOPPED) from stopped


def exit_code(error: KeenlineError) -> int:
    """The exit code of a command that ended with `error`."""
    return next(code for kind, code in _KINDS if isinstance(error, kind))


def calm_line() -> None:
    """Say that Ctrl-C was understood."""
    print("\nStopped. No unfinished file was left behind.", file=sys.stderr)


def _tell(error: KeenlineError, terminal: Terminal) -> None:
    if terminal.as_json:
        facts = error.as_dict()
        if isinstance(error, RecipeError | StationError) and error.problems:
            facts |= {"problems": list(error.problems)}
        print(json.dumps(facts, ensure_ascii=False), flush=True)
        return
    first, _, rest = str(error).partition("\n")
    terminal.complain(first, rest)
