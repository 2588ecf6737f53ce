"""The shape of a small network turned into a torch module that predicts teachers' features.

torch is imported inside functions: whoever imports this need not have it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

LEVELS = ("s8", "s16")
"""Outputs of a student, finest first."""

STRIDES = {"s8": 8, "s16": 16}
"""Pixels of the input for one cell of an output."""


@dataclass(frozen=True, slots=True)
class Shape:
    """Widths and depths of a student.

    Plain 3x3 convolutions, each pair in a stage with the identity added: what int8 and bf16 units
    of a CPU are fastest at. Separable convolutions do a third of the arithmetic and gain nothing
    there (benchmarks/RESULTS.md, section Backbones).
    """

    widths: tuple[int, int, int, int] = (16, 64, 96, 192)
    """Channels at strides 2, 4, 8 and 16."""
    pairs: tuple[int, int, int] = (0, 1, 2)
    """Pairs of convolutions after the one that halves the grid, at strides 4, 8 and 16."""

    def parameters(self) -> dict[str, list[int]]:
        """The same as JSON values."""
        return {key: list(value) for key, value in asdict(self).items()}

    @property
    def macs_per_pixel(self) -> float:
        """Multiplications for one pixel of the input, without the heads."""
        stem, *widths = self.widths
        total, before, stride = 27 * stem / 4, stem, 2
        for width, pairs in zip(widths, self.pairs, strict=True):
            stride *= 2
            total += 9 * (before * width + 2 * pairs * width * width) / stride**2
            before = width
        return total


DEFAULT_SHAPE = Shape()


def build_student(shape: Shape, channels: tuple[int, int]) -> Any:
    """A torch module: (batch, 3, height, width) in -1..1 to predictions at strides 8 and 16.

    channels: of the two outputs. Weights are drawn from torch's own generator.
    """
    from torch import nn

    from keenline.training.student_modules import Pair, Student, halving

    stem, *widths = shape.widths
    modules: dict[str, Any] = {"stem": halving(3, stem)}
    before = stem
    for stride, width, pairs in zip((4, 8, 16), widths, shape.pairs, strict=True):
        stage = [halving(before, width)]
        stage += [Pair(width) for _ in range(pairs)]
        modules[f"stage{stride}"] = nn.Sequential(*stage)
        before = width
    for level, width, wanted in zip(LEVELS, widths[1:], channels, strict=True):
        modules[level] = nn.Conv2d(width, wanted, 1)
    return Student(modules)


def folded(student: Any) -> Any:
    """A copy in evaluation mode whose batch norms have become part of its convolutions."""
    import copy

    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval

    plain = copy.deepcopy(student).float().cpu().eval()
    for module in list(plain.modules()):
        if not isinstance(module, nn.Sequential):
            continue
        for place in range(len(module) - 1):
            if isinstance(module[place + 1], nn.BatchNorm2d):
                module[place] = fuse_conv_bn_eval(module[place], module[place + 1])
                module[place + 1] = nn.Identity()
    return plain
