"""How close two pictures are."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import pad

_RADIUS, _SIGMA = 5, 1.5  # the window of Wang et al. (2004): Gaussian, 11 x 11
_BELL = [math.exp(-0.5 * (offset / _SIGMA) ** 2) for offset in range(-_RADIUS, _RADIUS + 1)]
_WINDOW = [value / sum(_BELL) for value in _BELL]
_C1, _C2 = 0.01**2, 0.03**2


def psnr(image: Tensor, target: Tensor, weight: Tensor | None = None) -> float:
    """Peak signal-to-noise ratio, dB; 100 at most, so that equal pictures have a number too.

    image, target: [3, H, W] display-encoded in [0, 1]; what lies outside is clamped.
    weight: [H, W], how much a pixel counts; None = all alike.
    """
    error = _mean((image.clamp(0.0, 1.0) - target).square().mean(0), weight)
    return -10.0 * math.log10(max(error, 1e-10))


def ssim(image: Tensor, target: Tensor, weight: Tensor | None = None) -> float:
    """Structural similarity: the mean over the channels and over the pixels whose window lies inside the picture.

    image, target: [3, H, W] display-encoded in [0, 1]; what lies outside is clamped.
    weight: [H, W], how much a pixel counts; None = all alike.
    A picture smaller than the window is continued by its edges, and all its pixels count.
    """
    image = image.clamp(0.0, 1.0)
    if min(image.shape[1:]) <= 2 * _RADIUS:
        border = (_RADIUS,) * 4
        image, target = (pad(picture[None], border, mode="replicate")[0] for picture in (image, target))
    elif weight is not None:
        weight = weight[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    # Channel by channel, which keeps the memory low.
    maps = [_ssim_map(a, b) for a, b in zip(image, target, strict=True)]
    return sum(_mean(values, weight) for values in maps) / len(maps)


def _ssim_map(a: Tensor, b: Tensor) -> Tensor:
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a = _blurred(a * a) - mean_a * mean_a
    variance_b = _blurred(b * b) - mean_b * mean_b
    covariance = _blurred(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return above / ((mean_a * mean_a + mean_b * mean_b + _C1) * (variance_a + variance_b + _C2))


def _blurred(plane: Tensor) -> Tensor:
    """[H, W] to [H - 10, W - 10]: only windows that lie inside."""
    return _blurred_rows(_blurred_rows(plane).T).T


def _blurred_rows(plane: Tensor) -> Tensor:
    # Sums of shifted views: several times faster than a convolution with one channel.
    size = len(plane) - 2 * _RADIUS
    result = plane[:size] * _WINDOW[0]
    for shift, share in enumerate(_WINDOW[1:], 1):
        result.add_(plane[shift : shift + size], alpha=share)
    return result


def _mean(values: Tensor, weight: Tensor | None) -> float:
    if weight is None or not weight.any():
        return float(values.mean(dtype=torch.float64))
    return float((values * weight).sum(dtype=torch.float64) / weight.sum(dtype=torch.float64))
