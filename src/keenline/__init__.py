"""Keenline learns a part from a handful of photos and decides PASS, REJECT, REVIEW or INVALID."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from keenline.version import VERSION

if TYPE_CHECKING:
    from keenline.data.importers import open_dataset
    from keenline.errors import KeenlineError
    from keenline.inference.inspector import Inspector
    from keenline.recipe import Recipe, load_recipe
    from keenline.training.evaluate import evaluate
    from keenline.training.fit import train
    from keenline.training.update import update
    from keenline.types import Inspection, Verdict

__version__ = VERSION

__all__ = [
    "Inspection",
    "Inspector",
    "KeenlineError",
    "Recipe",
    "Verdict",
    "evaluate",
    "load_recipe",
    "open_dataset",
    "train",
    "update",
]

# Where each public name lives; loaded when first asked for, so that `import keenline` is instant.
_HOMES = {
    "Inspection": "keenline.types",
    "Inspector": "keenline.inference.inspector",
    "KeenlineError": "keenline.errors",
    "Recipe": "keenline.recipe",
    "Verdict": "keenline.types",
    "evaluate": "keenline.training.evaluate",
    "load_recipe": "keenline.recipe",
    "open_dataset": "keenline.data.importers",
    "train": "keenline.training.fit",
    "update": "keenline.training.update",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'keenline' has no attribute '{name}'")
