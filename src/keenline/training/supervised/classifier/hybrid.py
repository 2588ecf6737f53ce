"""A dataset whose images have a class turned into a bundle of convolutions and a transformer."""

from __future__ import annotations

from typing import Any

from keenline.training.supervised.classifier.learn import ClassRun


class HybridRun(ClassRun):
    """What one run works on."""

    model = "hybrid"

    def network(self) -> Any:
        from keenline.training.supervised.classifier.attention import TokenNetwork
        from keenline.training.supervised.classifier.hybrid_network import Hybrid

        settings, encoder = self._settings, self._encoder
        body = Hybrid(
            encoder,
            self.one_size("the model hybrid"),
            layers=settings.layers,
            heads=settings.heads,
            positions=settings.positions,
            dropout=settings.dropout,
        )
        return TokenNetwork(
            body,
            encoder.module,
            len(self._classes),
            stride=encoder.stride * 2 ** (len(encoder.channels) - 1),
            good=self.good_needed,
            dropout=settings.dropout,
            frozen=settings.frozen,
        )

    def facts(self) -> dict[str, object]:
        settings = self._settings
        return super().facts() | {
            "layers": settings.layers,
            "heads": settings.heads,
            "positions": settings.positions,
        }


learn = HybridRun.learn
"""As `keenline.training.supervised.classifier.learn.learn`, with a transformer on the features.

Its layers, heads and positions are those of the settings. Raises what that raises, and
TrainingError (OPTION_CONFLICT) for images of several sizes.
"""
