"""Losses that compare pictures pixel by pixel, edge by edge and band by band.

Each function takes the target and the weight of its pixels, precomputes what depends on these alone, and returns the
loss: a differentiable function of the image, 0 where the image equals the target. Pictures are [3, H, W],
display-encoded; weight is [H, W] and sums to 1, so every loss is a weighted mean over pixels: of the same size on any
canvas.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, huber_loss, interpolate, pad

ImageLoss = Callable[[Tensor], Tensor]
"""From a picture [3, H, W] (or alpha [H, W]) to a scalar."""

HUBER_DELTA = 0.1
"""Errors up to a tenth of white are squared; larger ones, from missing details, count linearly."""
LUMA = (0.299, 0.587, 0.114)  # of display-encoded red, green, blue (ITU-R BT.601)
EDGE_SOFTNESS = 1e-3  # of the slope: rounds the kink of a gradient's length at 0
BANDS = 5
"""Bands of the Laplacian pyramid: details of 1, 2, 4 and 8 px, and the rest."""


def mse(target: Tensor, weight: Tensor) -> ImageLoss:
    """Measures the mean of error^2, over the channels too."""
    return lambda image: _mean((image - target).square(), weight)


def l1(target: Tensor, weight: Tensor) -> ImageLoss:
    """Measures the mean of |error|, over the channels too."""
    return lambda image: _mean((image - target).abs(), weight)


def huber(target: Tensor, weight: Tensor) -> ImageLoss:
    """Measures the mean of error^2 / 2 where |error| is below HUBER_DELTA = d, of d (|error| - d / 2) elsewhere."""
    return lambda image: _mean(huber_loss(image, target, reduction="none", delta=HUBER_DELTA), weight)


def gray(loss: Callable[[Tensor, Tensor], ImageLoss]) -> Callable[[Tensor, Tensor], ImageLoss]:
    """Measures the same loss of the pictures' luma: colors are free where their brightness is right."""

    def prepare(target: Tensor, weight: Tensor) -> ImageLoss:
        of_luma = loss(_luma(target), weight)
        return lambda image: of_luma(_luma(image))

    return prepare


def edge(target: Tensor, weight: Tensor) -> ImageLoss:
    """Measures the mean length of the error's gradient (Sobel, per px), by which edges differ in any way.

    It is Charbonnier's length, sqrt(x^2 + y^2 + e^2) - e.
    """

    def loss(image: Tensor) -> Tensor:
        x, y = sobel(image - target)
        length = (x.square() + y.square() + EDGE_SOFTNESS**2).sqrt() - EDGE_SOFTNESS
        return _mean(length, weight)

    return loss


def laplacian(target: Tensor, weight: Tensor) -> ImageLoss:
    """Measures the mean of |error| in the bands of a Laplacian pyramid, which count alike."""
    weights = [weight]
    while len(weights) < BANDS and min(weights[-1].shape) > 1:
        smaller = _halved(weights[-1][None])[0]
        weights.append(smaller / smaller.sum())

    def loss(image: Tensor) -> Tensor:
        # A pyramid is linear, so that of the error is the difference of both.
        rest, total = image - target, torch.zeros((), dtype=image.dtype, device=image.device)
        for share in weights[:-1]:
            smaller = _halved(rest)
            blurred = interpolate(smaller[None], rest.shape[1:], mode="bilinear", align_corners=False)[0]
            total = total + _mean((rest - blurred).abs(), share)
            rest = smaller
        return (total + _mean(rest.abs(), weights[-1])) / len(weights)

    return loss


def alpha(target: Tensor, weight: Tensor) -> ImageLoss:
    """Measures the mean of error^2 of alpha [H, W], over all pixels alike, also where weight is 0."""
    return lambda image: (image - target).square().mean()


def sobel(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the gradient of planes [C, H, W] along x and along y, per px; the planes are extended by their edges."""
    planes = pad(planes[None], (1, 1, 1, 1), mode="replicate")[0]
    across = (planes[..., 2:] - planes[..., :-2]) / 2.0
    down = (planes[..., 2:, :] - planes[..., :-2, :]) / 2.0
    x = (across[..., :-2, :] + 2.0 * across[..., 1:-1, :] + across[..., 2:, :]) / 4.0
    y = (down[..., :-2] + 2.0 * down[..., 1:-1] + down[..., 2:]) / 4.0
    return x, y


def _mean(values: Tensor, weight: Tensor) -> Tensor:
    """Returns the weighted mean of values [C, H, W]."""
    return (values * weight).sum() / len(values)


def _luma(image: Tensor) -> Tensor:
    """Returns the luma of an image [3, H, W]: [1, H, W]."""
    red, green, blue = image
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[None]


def _halved(planes: Tensor) -> Tensor:
    return avg_pool2d(planes[None], 2, ceil_mode=True)[0]
