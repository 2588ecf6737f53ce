"""Where a run stands turned into one file, and back; never half a file."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from keenline.errors import Code, TrainingError
from keenline.training.distill_settings import Settings
from keenline.training.teachers import Statistics


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything that a run needs to go on; crops follow from the seed and the step."""

    step: int
    seconds: float
    student: dict[str, Any]
    average: dict[str, Any]
    optimiser: dict[str, Any]
    statistics: Statistics
    settings: dict[str, object]


def save_checkpoint(state: Checkpoint, path: Path) -> None:
    """Write `path` complete or not at all. Raises OSError."""
    import torch

    part = path.with_suffix(".part")
    values = {name: getattr(state, name) for name in state.__slots__}
    values["statistics"] = {
        name: {level: torch.from_numpy(array) for level, array in arrays.items()}
        for name, arrays in asdict(state.statistics).items()
    }
    torch.save(values, part)
    os.replace(part, path)


def load_checkpoint(path: Path, settings: Settings) -> Checkpoint | None:
    """What lies there, or None; only tensors and plain values are read, never code.

    Raises TrainingError where it belongs to a run with other settings or cannot be read.
    """
    import torch

    if not path.is_file():
        return None
    try:
        values = torch.load(path, map_location=settings.device, weights_only=True)
        statistics = Statistics(
            **{
                name: {k: np.asarray(v.cpu(), np.float32) for k, v in arrays.items()}
                for name, arrays in values.pop("statistics").items()
            }
        )
        found = Checkpoint(statistics=statistics, **values)
    except (
        RuntimeError,
        KeyError,
        TypeError,
        EOFError,
        torch.serialization.pickle.PickleError,
    ) as e:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "The checkpoint cannot be read",
            where=path,
            got=f"{type(e).__name__}: {e}".splitlines()[0],
            next="begin anew in another folder",
        ) from e
    wanted = settings.lasting()
    other = [key for key, value in wanted.items() if found.settings.get(key) != value]
    if other:
        raise TrainingError(
            Code.OPTION_CONFLICT,
            "The checkpoint belongs to a run with other settings",
            where=path,
            expected="; ".join(f"{key} {found.settings.get(key)}" for key in other),
            got="; ".join(f"{key} {wanted[key]}" for key in other),
            next="give the same options as before, or begin anew in another folder",
        )
    return found
