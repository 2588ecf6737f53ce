"""Batches turned, step by step, into a student that predicts its teachers' features."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keenline.training.distill_batches import Batch
from keenline.training.distill_checkpoint import Checkpoint
from keenline.training.distill_settings import Settings
from keenline.training.student import LEVELS, build_student
from keenline.training.student_export import OFFSET, SCALE
from keenline.training.teachers import Statistics, Teachers

_LIMIT = 5.0
"""Standard deviations at which a target is cut: single places do not rule the loss."""

_COSINE = 0.25
"""Weight of the angle between predicted and true features beside their squared difference."""

_EMA = 0.999
"""Share of the averaged student that stays at each step."""

_LARGEST_GRADIENT = 5.0

_WARM_UP = 0.02
"""Share of the schedule in which the rate rises."""


class Lessons:
    """The student, its slow average that is kept in the end, and what moves it."""

    def __init__(self, settings: Settings, teachers: Teachers, statistics: Statistics) -> None:
        """Needs torch, whose generator is seeded here."""
        import torch

        torch.manual_seed(settings.seed)
        self.settings, self.teachers, self.statistics = settings, teachers, statistics
        student = build_student(settings.shape, teachers.channels)
        self.student = student.to(settings.device, memory_format=torch.channels_last).train()
        self.average = copy.deepcopy(self.student).eval()
        decayed = [p for p in self.student.parameters() if p.ndim > 1]
        plain = [p for p in self.student.parameters() if p.ndim <= 1]
        groups = [{"params": decayed}, {"params": plain, "weight_decay": 0.0}]
        self.optimiser = torch.optim.AdamW(groups, lr=0.0, weight_decay=settings.weight_decay)
        self.step, self.seconds = 0, 0.0
        self._mean = _tensors(statistics.mean, settings.device)
        self._std = _tensors(statistics.std, settings.device)

    def learn(self, batch: Batch, part: float) -> float:
        """One step when `part` of the schedule is done; answers with the loss."""
        import torch

        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = settings.rate * rate_at(part)
        images = torch.from_numpy(batch[0]).to(settings.device).permute(0, 3, 1, 2)
        pictures = (images.float() * SCALE + OFFSET).contiguous(memory_format=torch.channels_last)
        with torch.autocast(settings.device, torch.bfloat16, enabled=settings.bf16):
            predicted = self.student(pictures)
        loss = sum(
            self._level_loss(level, values.float(), batch[1][level])
            for level, values in zip(LEVELS, predicted, strict=True)
        )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.student.parameters(), _LARGEST_GRADIENT)
        self.optimiser.step()
        self.step += 1
        self._follow()
        return float(loss.detach())

    def take_up(self, found: Checkpoint) -> None:
        """Stand where a checkpoint stands."""
        self.student.load_state_dict(found.student)
        self.average.load_state_dict(found.average)
        self.optimiser.load_state_dict(found.optimiser)
        self.step, self.seconds = found.step, found.seconds

    def state(self) -> Checkpoint:
        """Where it stands."""
        return Checkpoint(
            step=self.step,
            seconds=self.seconds,
            student=self.student.state_dict(),
            average=self.average.state_dict(),
            optimiser=self.optimiser.state_dict(),
            statistics=self.statistics,
            settings=self.settings.lasting(),
        )

    def _level_loss(self, level: str, predicted: Any, features: NDArray[np.float32]) -> Any:
        """Of one level: teachers count the same, however many channels they have."""
        import torch
        from torch.nn import functional

        target = torch.from_numpy(features).to(predicted.device)
        target = ((target - self._mean[level]) / self._std[level]).clamp(-_LIMIT, _LIMIT)
        parts = self.teachers.parts[level]
        total = torch.zeros((), device=predicted.device)
        for part in parts:
            ours, theirs = predicted[:, part.first : part.end], target[:, part.first : part.end]
            angle = 1 - functional.cosine_similarity(ours, theirs, dim=1).mean()
            total = total + functional.mse_loss(ours, theirs) + _COSINE * angle
        return total / len(parts) / len(LEVELS)

    def _follow(self) -> None:
        import torch

        decay = min(_EMA, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            pairs = zip(
                self.average.state_dict().values(), self.student.state_dict().values(), strict=True
            )
            for slow, fast in pairs:
                if slow.dtype.is_floating_point:
                    slow.lerp_(fast, 1 - decay)
                else:
                    slow.copy_(fast)


def rate_at(part: float) -> float:
    """Share of the highest rate: a short rise, then half a cosine down to 0."""
    if part < _WARM_UP:
        return (part + 1e-3) / (_WARM_UP + 1e-3)
    return float(0.5 * (1 + np.cos(np.pi * (part - _WARM_UP) / (1 - _WARM_UP))))


def _tensors(values: Mapping[str, NDArray[np.float32]], device: str) -> dict[str, Any]:
    import torch

    return {
        level: torch.from_numpy(array)[None, :, None, None].to(device)
        for level, array in values.items()
    }
