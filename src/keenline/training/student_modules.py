"""Widths turned into the torch modules of a student.

They have names of their own in this module, so that a network of them can go to another process.
"""

from __future__ import annotations

from typing import Any

from torch import nn


class Pair(nn.Module):  # type: ignore[misc]
    """Two convolutions with the identity added before the last ReLU (He et al., 2016)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = _convolution(width, width)
        self.second = _convolution(width, width, relu=False)
        self.relu = nn.ReLU(inplace=True)
        # Each pair begins as the identity, which makes the first steps calm.
        nn.init.zeros_(self.second[1].weight)

    def forward(self, data: Any) -> Any:
        return self.relu(self.second(self.first(data)) + data)


class Student(nn.Module):  # type: ignore[misc]
    """`stem`, `stage4`, `stage8` and `stage16`, and the heads `s8` and `s16`."""

    def __init__(self, modules: dict[str, Any]) -> None:
        super().__init__()
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, picture: Any) -> tuple[Any, Any]:
        """(batch, 3, height, width) in -1..1 to predictions at strides 8 and 16."""
        fine = self.stage8(self.stage4(self.stem(picture)))
        return self.s8(fine), self.s16(self.stage16(fine))


def halving(before: int, after: int) -> Any:
    """A convolution to every second place, padded below and to the right only.

    So do the networks that come from TensorFlow, the usual teachers: a cell of the student then
    looks at the same place as theirs. Padded evenly it would look 15 pixels aside at stride 16.
    """
    return nn.Sequential(
        nn.ZeroPad2d((0, 1, 0, 1)),
        nn.Conv2d(before, after, 3, 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


def _convolution(before: int, after: int, *, relu: bool = True) -> Any:
    layers = [nn.Conv2d(before, after, 3, 1, 1, bias=False), nn.BatchNorm2d(after)]
    return nn.Sequential(*layers, nn.ReLU(inplace=True)) if relu else nn.Sequential(*layers)
