"""What was asked for turned into everything that decides how a student is taught."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.util import find_spec

from keenline.errors import Code, EnvironmentMissing
from keenline.training.student import DEFAULT_SHAPE, Shape

_FINAL = 0.85
"""Share of the schedule after which crops have their final side."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Of one run. Either `steps` or `minutes` says how long it goes on."""

    teachers: tuple[str, ...]
    steps: int | None = None
    minutes: float | None = None
    seed: int = 0
    shape: Shape = DEFAULT_SHAPE
    batch: int = 16
    size: int = 160
    """Side of a crop in pixels."""
    final_size: int = 256
    """Towards the end, so that the student also sees how teachers look at the middle of an
    image: at 160 px the border is everywhere near."""
    procedural: float = 0.4
    """Share of the crops that come from procedural images."""
    pool: int = 500
    """Procedural images in memory."""
    rate: float = 2e-3
    weight_decay: float = 0.02
    checkpoint_minutes: float = 3.0
    statistics_batches: int = 100
    device: str = "cpu"
    bf16: bool = False
    """Whether the student is computed in bf16, its weights staying in float32."""
    teacher_precision: str = "f32"

    def done(self, step: int, seconds: float) -> float:
        """Share of the schedule that is behind, 1 at its end."""
        by_steps = step / self.steps if self.steps else 0.0
        by_clock = seconds / 60 / self.minutes if self.minutes else 0.0
        return min(1.0, max(by_steps, by_clock))

    def side(self, part: float) -> int:
        """Of the crops when `part` of the schedule is done."""
        return self.final_size if part >= _FINAL else self.size

    def lasting(self) -> dict[str, object]:
        """What must not change when a run is taken up again, as JSON values."""
        return {
            "teachers": list(self.teachers),
            "seed": self.seed,
            "shape": self.shape.parameters(),
            "batch": self.batch,
            "sizes": [self.size, self.final_size],
            "procedural": self.procedural,
            "pool": self.pool,
            "rate": self.rate,
            "weight_decay": self.weight_decay,
        }


def check_extra() -> None:
    """Raise EnvironmentMissing where torch is not installed."""
    if find_spec("torch") is None:
        raise EnvironmentMissing(
            Code.EXTRA_MISSING,
            "Teaching a backbone needs the extra `train`",
            expected="torch",
            got="no torch",
            next="pip install 'keenline[train]'",
        )


def fitted(settings: Settings) -> Settings:
    """The same for this machine: a GPU where there is one, bf16 where that is fast. Needs torch.

    Teachers always run on the CPU. Their features in bf16 differ from those in float32 by less
    than 1 % of a channel's variance, which a student of this size does not notice.
    """
    import torch

    # Without such instructions bf16 is emulated, several times slower than float32.
    able: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    fast = bool(able.get("amx_bf16") or able.get("avx512_bf16"))
    gpu = bool(torch.cuda.is_available())
    return replace(
        settings,
        device="cuda" if gpu else "cpu",
        bf16=bool(torch.cuda.is_bf16_supported()) if gpu else fast,
        teacher_precision="bf16" if fast else "f32",
    )
