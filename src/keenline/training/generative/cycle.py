"""Good and defective crops turned into two generators that each undo the other, step by step.

Zhu et al., Unpaired image-to-image translation using cycle-consistent adversarial networks (2017):
least-squares critics, a cycle loss and an identity loss, fakes shown to the critics from a pool.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from keenline.errors import Code, TrainingError
from keenline.training.generative.networks import Critic, Generator
from keenline.training.generative.settings import Settings

_BETAS = (0.5, 0.999)
_CONSTANT = 0.5
"""Part of the schedule after which the steps become smaller, down to none at its end."""


class Cycle:
    """Both directions and what is needed to teach them."""

    def __init__(self, settings: Settings, channels: int) -> None:
        torch.manual_seed(settings.seed)
        self.settings, self.channels = settings, channels
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        make, critic = (settings.width, settings.blocks), (channels, 2 * settings.width)
        self.spoil = Generator(channels, *make).to(self.device)
        """A good surface into a defective one."""
        self.heal = Generator(channels, *make).to(self.device)
        self.of_bad, self.of_good = (Critic(*critic).to(self.device) for _ in range(2))
        makers = itertools.chain(self.spoil.parameters(), self.heal.parameters())
        critics = itertools.chain(self.of_bad.parameters(), self.of_good.parameters())
        self._makers = torch.optim.Adam(makers, settings.rate, betas=_BETAS)
        self._critics = torch.optim.Adam(critics, settings.rate, betas=_BETAS)
        self._pools = {"bad": Pool(settings.pool), "good": Pool(settings.pool)}

    def step(self, good: Any, bad: Any, part: float, rng: np.random.Generator) -> dict[str, float]:
        """One step of each network; crops as `as_fed` gives them, `part` of the schedule 0..1.

        Raises TrainingError (LOSS_NOT_FINITE).
        """
        rate = self.settings.rate * min(1.0, (1 - part) / (1 - _CONSTANT))
        for optimiser in (self._makers, self._critics):
            for group in optimiser.param_groups:
                group["lr"] = rate
        good, bad = good.to(self.device), bad.to(self.device)
        fooled, cycle, same, spoilt, healed = self._made(good, bad)
        loss = fooled + self.settings.cycle * cycle + self.settings.identity * same
        _stepped(self._makers, loss)
        judged = self._judged(good, bad, spoilt.detach(), healed.detach(), rng)
        _stepped(self._critics, judged)
        parts = {"fooled": fooled, "cycle": cycle, "identity": same, "critics": judged}
        found = {name: float(value.detach()) for name, value in parts.items()}
        if not all(map(math.isfinite, found.values())):
            raise TrainingError(
                Code.LOSS_NOT_FINITE,
                "Learning went astray: the loss is no number any more",
                expected="a finite loss",
                got=", ".join(f"{name} {value:g}" for name, value in found.items()),
                next="give a smaller --rate; images that are all black or white can do it too",
            )
        return found

    def state(self) -> dict[str, Any]:
        """All that a run needs to go on."""
        return {
            **{name: getattr(self, name).state_dict() for name in _NETWORKS},
            "makers": self._makers.state_dict(),
            "critics": self._critics.state_dict(),
            **{f"pool of {name}": pool.kept for name, pool in self._pools.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        for name in _NETWORKS:
            getattr(self, name).load_state_dict(state[name])
        self._makers.load_state_dict(state["makers"])
        self._critics.load_state_dict(state["critics"])
        for name, pool in self._pools.items():
            pool.kept = [kept.to(self.device) for kept in state[f"pool of {name}"]]

    def spoilt(self, crops: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Good crops, (batch, side, side, 3), as they would look with a defect."""
        with torch.inference_mode():
            made = self.spoil(as_fed(crops, self.channels).to(self.device))
        pixels = ((made.float().cpu().numpy() + 1) * 127.5).transpose(0, 2, 3, 1)
        found = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        return np.repeat(found, 3, axis=3) if self.channels == 1 else found

    def _made(self, good: Any, bad: Any) -> tuple[Any, Any, Any, Any, Any]:
        """Losses of the generators, and their fakes."""
        for critic in (self.of_bad, self.of_good):
            critic.requires_grad_(False)
        spoilt, healed = self.spoil(good), self.heal(bad)
        fooled = _as_real(self.of_bad(spoilt), 1.0) + _as_real(self.of_good(healed), 1.0)
        cycle = functional.l1_loss(self.heal(spoilt), good)
        cycle = cycle + functional.l1_loss(self.spoil(healed), bad)
        same = functional.l1_loss(self.spoil(bad), bad) + functional.l1_loss(self.heal(good), good)
        return fooled, cycle, same, spoilt, healed

    def _judged(
        self, good: Any, bad: Any, spoilt: Any, healed: Any, rng: np.random.Generator
    ) -> Any:
        """Loss of the critics."""
        loss: Any = 0.0
        sides = (("bad", self.of_bad, bad, spoilt), ("good", self.of_good, good, healed))
        for name, critic, real, fake in sides:
            critic.requires_grad_(True)
            shown = self._pools[name].exchanged(fake, rng)
            loss = loss + (_as_real(critic(real), 1.0) + _as_real(critic(shown), 0.0)) / 2
        return loss


_NETWORKS = ("spoil", "heal", "of_bad", "of_good")


class Pool:
    """Earlier fakes: half of what the critics see is one of them."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.kept: list[Any] = []

    def exchanged(self, fakes: Any, rng: np.random.Generator) -> Any:
        """As many crops: each the new one, or an earlier one whose place it takes."""
        shown = []
        for fake in fakes:
            if len(self.kept) < self._size:
                self.kept.append(fake)
                shown.append(fake)
            elif rng.random() < 0.5:
                place = int(rng.integers(self._size))
                shown.append(self.kept[place])
                self.kept[place] = fake
            else:
                shown.append(fake)
        return torch.stack(shown)


def as_fed(crops: NDArray[np.uint8], channels: int) -> Any:
    """(batch, side, side, 3) as (batch, channels, side, side) of -1..1."""
    pixels = np.ascontiguousarray(crops[..., :channels].transpose(0, 3, 1, 2), np.float32)
    return torch.from_numpy(pixels / 127.5 - 1)


def _as_real(said: Any, wanted: float) -> Any:
    return functional.mse_loss(said, torch.full_like(said, wanted))


def _stepped(optimiser: Any, loss: Any) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
