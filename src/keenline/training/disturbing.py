"""A batch of crops turned, lit, mixed and disturbed, on whatever device it lies.

torch is imported inside functions: whoever imports this need not have it. Each disturbance is
computed for the images that it falls to, not for all: on a CPU the whole then costs less than the
student's own step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def disturbed(crops: Any, side: int, seed: int) -> Any:
    """Crops (batch, wide, wide, 3), uint8, to images (batch, side, side, 3), uint8.

    The same seed gives the same images on the same device. Whatever is done, teacher and student
    see the same pixels: this adds variety, it is not something to be invariant to.
    """
    import torch

    chance = torch.Generator(device=crops.device)
    chance.manual_seed(seed)
    # Channels stay last: the sampling below reads three neighbours at once.
    data = crops.permute(0, 3, 1, 2).float() / 255
    data = _turned(data, side, chance)
    for often, change in _CHANGES:
        chosen = (_uniform(len(data), 0, 1, chance) < often).nonzero().flatten()
        if len(chosen):
            data[chosen] = change(data, chosen, chance)
    pixels = data.clamp_(0, 1).mul_(255).round_().to(torch.uint8)
    return pixels.permute(0, 2, 3, 1).contiguous()


def _turned(data: Any, side: int, chance: Any) -> Any:
    """Any angle for some of them, quarter turns for the others; mirrored; a little sheared."""
    import torch
    from torch.nn import functional

    count = len(data)
    free = _uniform(count, 0, 2 * torch.pi, chance)
    quarter = _uniform(count, 0, 4, chance).floor() * (torch.pi / 2)
    angle = torch.where(_uniform(count, 0, 1, chance) < 0.4, free, quarter)
    mirror = torch.where(_uniform(count, 0, 1, chance) < 0.5, -1.0, 1.0)
    shear = _uniform(count, -0.12, 0.12, chance) * (_uniform(count, 0, 1, chance) < 0.3)
    zoom = side / data.shape[-1]
    cos, sin = angle.cos() * zoom, angle.sin() * zoom
    shift = _uniform(2 * count, -1, 1, chance).view(2, count) * (1 - zoom)
    matrix = torch.stack(
        [
            torch.stack([cos * mirror, -sin + shear * cos, shift[0]], -1),
            torch.stack([sin * mirror, cos + shear * sin, shift[1]], -1),
        ],
        1,
    )
    grid = functional.affine_grid(matrix, [count, 3, side, side], align_corners=False)
    return functional.grid_sample(data, grid, padding_mode="reflection", align_corners=False)


def _seen_through(data: Any, chosen: Any, chance: Any) -> Any:
    """Another crop shines through."""
    seen = _each(_uniform(len(chosen), 0.1, 0.6, chance))
    return data[chosen] * (1 - seen) + data[chosen - 1] * seen


def _pasted(data: Any, chosen: Any, chance: Any) -> Any:
    """A rectangle or an ellipse of another crop, with a sharp border."""
    import torch

    count = len(chosen)
    y, x = _places(data)
    at_x, at_y = (_each(_uniform(count, -1, 1, chance)) for _ in range(2))
    half_x, half_y = (_each(torch.exp(_uniform(count, -2.8, -0.2, chance))) for _ in range(2))
    dx, dy = (x - at_x) / half_x, (y - at_y) / half_y
    square = _each(_uniform(count, 0, 1, chance) < 0.5)
    inside = torch.where(square, torch.maximum(dx.abs(), dy.abs()) < 1, dx**2 + dy**2 < 1)
    return torch.where(inside, data[chosen - 2], data[chosen])


def _blurred(data: Any, chosen: Any, chance: Any) -> Any:
    """By 0.5 to 2.5 pixels."""
    import torch
    from torch.nn import functional

    count = len(chosen)
    sigma = torch.exp(_uniform(count, -0.7, 0.9, chance))
    taps = torch.arange(-5, 6, device=data.device)
    kernel = torch.exp(-(taps**2) / (2 * sigma[:, None] ** 2))
    kernel = (kernel / kernel.sum(1, keepdim=True)).repeat_interleave(3, 0)
    some = data[chosen].flatten(0, 1)[None]
    for shape, pad in (((-1, 1, 11, 1), (0, 0, 5, 5)), ((-1, 1, 1, 11), (5, 5, 0, 0))):
        some = functional.pad(some, pad, mode="replicate")
        some = functional.conv2d(some, kernel.view(shape), groups=3 * count)
    return some[0].unflatten(0, (count, 3))


def _brightened(data: Any, chosen: Any, chance: Any) -> Any:
    """Brightness and contrast."""
    import torch

    some = data[chosen]
    contrast = _each(torch.exp(_uniform(len(chosen), -0.6, 0.5, chance)))
    bright = _each(_uniform(len(chosen), -0.25, 0.25, chance))
    mean = some.mean((1, 2, 3), keepdim=True)
    return (some - mean) * contrast + (mean + bright)


def _curved(data: Any, chosen: Any, chance: Any) -> Any:
    """Gamma."""
    import torch

    gamma = _each(torch.exp(_uniform(len(chosen), -0.6, 0.6, chance)))
    return data[chosen].clamp(1e-4, 1) ** gamma


def _shaded(data: Any, chosen: Any, chance: Any) -> Any:
    """Light falls off to one side."""
    y, x = _places(data)
    slope_x, slope_y = (_each(_uniform(len(chosen), -0.4, 0.4, chance)) for _ in range(2))
    return data[chosen] * (1 + slope_x * x + slope_y * y)


def _tinted(data: Any, chosen: Any, chance: Any) -> Any:
    """Colours are mixed into one another."""
    import torch

    count = len(chosen)
    noise = torch.randn((count, 3, 3), generator=chance, device=data.device)
    amount = _uniform(count, 0, 0.3, chance).view(-1, 1, 1)
    matrix = torch.eye(3, device=data.device) + noise * amount
    return torch.bmm(matrix, data[chosen].flatten(2)).view(count, *data.shape[1:])


def _grey(data: Any, chosen: Any, _chance: Any) -> Any:
    return data[chosen].mean(1, keepdim=True).expand(-1, 3, -1, -1)


def _reversed(data: Any, chosen: Any, _chance: Any) -> Any:
    return 1 - data[chosen]


def _noisy(data: Any, chosen: Any, chance: Any) -> Any:
    import torch

    some = data[chosen]
    noise = torch.randn(some.shape, generator=chance, device=data.device)
    return some + noise * _each(_uniform(len(chosen), 0.0, 0.06, chance))


_CHANGES: tuple[tuple[float, Callable[[Any, Any, Any], Any]], ...] = (
    (0.12, _seen_through),
    (0.3, _pasted),
    (0.2, _blurred),
    (0.6, _brightened),
    (0.25, _curved),
    (0.2, _shaded),
    (0.3, _tinted),
    (0.2, _grey),
    (0.06, _reversed),
    (0.25, _noisy),
)
"""What is done, in this order, each with how often."""


def _uniform(count: int, low: float, high: float, chance: Any) -> Any:
    import torch

    return torch.rand(count, generator=chance, device=chance.device) * (high - low) + low


def _each(values: Any) -> Any:
    """One value an image, in the form that is multiplied with images."""
    return values.view(-1, 1, 1, 1)


def _places(data: Any) -> tuple[Any, Any]:
    """y and x of each pixel, -1..1, to be spread over a batch."""
    import torch

    height, width = data.shape[-2:]
    y = torch.linspace(-1, 1, height, device=data.device).view(1, 1, -1, 1)
    return y, torch.linspace(-1, 1, width, device=data.device).view(1, 1, 1, -1)
