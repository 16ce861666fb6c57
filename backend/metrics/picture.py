"""The similarity of two pictures."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

Plane = NDArray[Any]  # float32, [H, W]

_RADIUS, _SIGMA = 5, 1.5  # the window of Wang et al. (2004): Gaussian, 11 x 11
_BELL = np.exp(-0.5 * (np.arange(-_RADIUS, _RADIUS + 1) / _SIGMA) ** 2)
_WINDOW = (_BELL / _BELL.sum()).astype(np.float32)
_STRIP = 32  # rows at a time, so that they stay in the cache
_C1, _C2 = np.float32(0.01**2), np.float32(0.03**2)


def psnr(image: Tensor, target: Tensor, weight: Tensor | None = None) -> float:
    """The peak signal-to-noise ratio, dB; at most 100, so that equal pictures have a number too.

    image, target: [3, H, W] display-encoded in [0, 1]; the image is clamped. weight: [H, W] of pixels; None = 1.
    """
    error = _mean((image.clamp(0.0, 1.0) - target).square().mean(0), weight)
    return -10.0 * math.log10(max(error, 1e-10))


def ssim(image: Tensor, target: Tensor, weight: Tensor | None = None) -> float:
    """The structural similarity: the mean over channels and over pixels whose window lies inside the picture.

    image, target: [3, H, W] display-encoded in [0, 1]; the image is clamped. weight: [H, W] of pixels; None = 1.
    A picture smaller than the window is extended by its edges, and all its pixels count.
    """
    image = image.clamp(0.0, 1.0)
    if min(image.shape[1:]) <= 2 * _RADIUS:
        border = (_RADIUS,) * 4
        image, target = (pad(picture[None], border, mode="replicate")[0] for picture in (image, target))
    elif weight is not None:
        weight = weight[_RADIUS:-_RADIUS, _RADIUS:-_RADIUS]
    maps = [_ssim_map(a.detach().cpu().numpy(), b.detach().cpu().numpy()) for a, b in zip(image, target, strict=True)]
    counts = None if weight is None else weight.cpu()
    return sum(_mean(torch.from_numpy(values), counts) for values in maps) / len(maps)


def _ssim_map(a: Plane, b: Plane) -> Plane:
    """The similarity of two planes [H, W] at each pixel: [H - 10, W - 10]."""
    tops = range(0, len(a) - 2 * _RADIUS, _STRIP)
    return np.concatenate([_ssim_strip(*(p[top : top + _STRIP + 2 * _RADIUS] for p in (a, b))) for top in tops])


def _ssim_strip(a: Plane, b: Plane) -> Plane:
    mean_a, mean_b = _blurred(a), _blurred(b)
    variance_a: Plane = _blurred(a * a) - mean_a * mean_a
    variance_b: Plane = _blurred(b * b) - mean_b * mean_b
    covariance: Plane = _blurred(a * b) - mean_a * mean_b
    above = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    return above / ((mean_a * mean_a + mean_b * mean_b + _C1) * (variance_a + variance_b + _C2))


def _blurred(plane: Plane) -> Plane:
    """Blurs a plane [H, W] where the window lies inside: [H - 10, W - 10]."""
    # Sums of shifted views in numpy: a convolution of one channel in PyTorch is several times slower, and so are many
    # small operations there if other processes use the cores.
    height, width = (size - 2 * _RADIUS for size in plane.shape)
    columns = _weighted_sum([plane[shift : shift + height] for shift in range(len(_WINDOW))])
    return _weighted_sum([columns[:, shift : shift + width] for shift in range(len(_WINDOW))])


def _weighted_sum(views: list[Plane]) -> Plane:
    result = views[0] * _WINDOW[0]
    scratch = np.empty_like(result)
    for view, share in zip(views[1:], _WINDOW[1:], strict=True):
        result += np.multiply(view, share, out=scratch)
    return result


def _mean(values: Tensor, weight: Tensor | None) -> float:
    if weight is None or not weight.any():
        return float(values.mean(dtype=torch.float64))
    return float((values * weight).sum(dtype=torch.float64) / weight.sum(dtype=torch.float64))
