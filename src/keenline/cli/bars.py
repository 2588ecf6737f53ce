"""Steps of work turned into bars, one a step, with how long each took."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.progress import TaskID as Task

if TYPE_CHECKING:
    from keenline.models import base


@contextmanager
def bars(console: Console) -> Iterator[base.Progress]:
    """A `Progress` that draws on `console`; each new name begins a new bar."""
    columns = (
        TextColumn("  {task.description:<28}", style="dim"),
        BarColumn(24, style="bright_black", complete_style="cyan", finished_style="cyan"),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    tasks: dict[str, Task] = {}
    with Progress(*columns, console=console) as shown:

        def progress(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = shown.add_task(step, total=total)
            shown.update(tasks[step], completed=done, total=total)

        yield progress
