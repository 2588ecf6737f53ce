"""What was asked for turned into everything that decides how a network is taught."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

from keenline.errors import Code, EnvironmentMissing, TrainingError
from keenline.learning_settings import Balance, LearningSettings, Loss, Positions

LOSSES: tuple[Loss, ...] = ("dice+bce", "focal", "weighted")
"""Of a network that marks pixels, its own first."""

BATCH, CROP = 8, 192
"""Crops at a time and the side of each, of a model that has none of its own."""

_NEEDED = ("torch", "timm", "lightning", "segmentation_models_pytorch")
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one run."""

    weights: Path | None = None
    """A file with the encoder's weights; None for those that belong to its name."""
    from_scratch: bool = False
    """Begin with random weights, which needs many more labelled parts."""
    loss: Loss | None = None
    """None: the model's own."""
    balance: Balance = "oversample"
    """Every class drawn as often (`oversample`), or counting as much (`weights`), or neither."""
    attention: bool = False
    """Let the decoder weigh channels and places (scSE, Roy et al., 2018)."""
    frozen: bool = False
    """Leave the encoder as it is and teach only what follows it."""
    dropout: float = 0.0
    """Share of the features before the last layer, left out at random while learning."""
    layers: int = 4
    """Of a transformer on convolutional features."""
    heads: int = 8
    """Of each of its layers."""
    positions: Positions = "learned"
    """How that transformer knows where a feature lies."""
    epochs: int = 100
    """At most; learning ends earlier when `patience` or the time runs out."""
    patience: int = 10
    """Epochs without a lower validation loss after which learning ends."""
    seconds: float | None = None
    """Time budget of the learning itself."""
    batch: int | None = None
    """Images or crops at a time; None: the model's own, see `at_once`."""
    crop: int | None = None
    """Side of a crop in pixels, a view that is smaller is repeated at its edge; None: the model's
    own, see `side`."""
    crops: int | None = None
    """In an epoch; None: the model's own."""
    patch: int = 64
    """Side in pixels of what the gate of a cascade decides about as a whole."""
    patch_recall: float = 0.99
    """Share of the defective patches of parts left out that its gate is to let pass."""
    rate: float = 1e-3
    """Of the decoder."""
    encoder_rate: float = 0.2
    """Of the encoder, as a share of `rate`: it has learnt already."""
    weight_decay: float = 0.01
    seed: int = 0
    bf16: bool | None = None
    """Compute in bf16 while learning; None: where the processor is fast at it."""
    devices: int = 1
    """That share each batch. More than one only where it is asked for: it was tried with processes
    on a processor, not yet with several GPUs."""

    @classmethod
    def of(
        cls,
        recipe: LearningSettings,
        *,
        weights: Path | None = None,
        from_scratch: bool = False,
        seconds: float | None = None,
        seed: int = 0,
        devices: int = 1,
    ) -> Settings:
        """What a recipe's `[learning]` says, and what belongs to one run."""
        return cls(
            weights,
            from_scratch,
            seconds=seconds,
            seed=seed,
            devices=devices,
            **{key: value for key, value in recipe.model_dump().items() if key != "model"},
        )

    @property
    def at_once(self) -> int:
        """Images or crops in a batch."""
        return self.batch or BATCH

    @property
    def side(self) -> int:
        """Of a crop, in pixels."""
        return self.crop or CROP

    def loss_among(self, known: Sequence[Loss]) -> Loss:
        """The loss, the first of `known` where none was named.

        Raises TrainingError (OPTION_CONFLICT) for one that is not of them.
        """
        if self.loss is not None and self.loss not in known:
            raise TrainingError(
                Code.OPTION_CONFLICT,
                "This model is not taught with that loss",
                where="loss",
                expected=", ".join(known),
                got=self.loss,
            )
        return self.loss or known[0]

    def lasting(self) -> dict[str, object]:
        """What must not change when a run is taken up again, as JSON values."""
        values: dict[str, object] = asdict(self)
        # How long to go on may change; a batch shrinks by itself when memory is short.
        for key in ("epochs", "patience", "seconds", "batch", "bf16", "devices", "patch_recall"):
            del values[key]
        values["weights"] = None if self.weights is None else self.weights.name
        return values


def check_extra() -> None:
    """Raise EnvironmentMissing where something of the extra `train` is not installed."""
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Teaching a network needs the extra `train`",
            expected=", ".join(_NEEDED),
            got=f"no {' and no '.join(missing)}",
            next="pip install 'keenline[train]'",
        )


def unfinished(checkpoint: Path) -> Path:
    """Where a checkpoint is written before it takes its place; left there by a kill -9."""
    return checkpoint.with_name(f"{checkpoint.name}.unfinished")


def seconds_of(text: str) -> float:
    """`90s`, `10m` or `1.5h` in seconds; raises ValueError for anything else or for nothing."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text.strip())
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if not seconds:
        raise ValueError(f"{text!r} is no time such as 90s, 10m or 1.5h")
    return seconds
