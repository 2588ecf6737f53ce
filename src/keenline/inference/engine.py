"""The port through which a graph is run: uint8 images in, named float arrays out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Engine(Protocol):
    """One compiled graph. `run` is called from one thread at a time."""

    name: str
    """`openvino` or `onnxruntime`."""
    version: str
    """Name and version, for the record: `openvino 2026.4.1`."""
    precision: str
    """`f32`, `bf16` or `int8`: never left to the engine's own choice."""

    def run(self, images: NDArray[np.uint8]) -> Mapping[str, NDArray[np.float32]]:
        """Outputs by name for `images`, (batch, height, width, 3).

        Raises EngineError when the graph cannot run or answers with NaN or infinity.
        """

    def run_each(
        self, images: Iterable[NDArray[np.uint8]]
    ) -> Iterator[Mapping[str, NDArray[np.float32]]]:
        """What `run` answers to each of several inputs, in their order.

        An engine that was opened to work side by side runs some of them at a time. Outputs are
        computed as they are asked for. Raises what `run` raises.
        """
