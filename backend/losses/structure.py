"""Structural similarity as a loss: it compares patterns rather than values."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import avg_pool2d, pad

from ..pictures.filters import bell
from .images import ImageLoss

RADIUS, SIGMA = 5, 1.5
"""The window of Wang et al. (2004): Gaussian, 11 x 11."""
C1, C2 = 0.01**2, 0.03**2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the scales by Wang, Simoncelli and Bovik (2003), finest first."""
LEAST = 1e-3
"""Least similarity of a scale: where it is negative, it has no power."""

_WINDOW = bell(SIGMA, RADIUS)


def ssim(target: Tensor, weight: Tensor) -> ImageLoss:
    """Measures 1 - SSIM as metrics.ssim does: the mean over channels and windows inside the picture."""
    scale = _Scale(target, weight)
    return lambda image: 1.0 - scale.similarity(image, luminance=True)


def ms_ssim(target: Tensor, weight: Tensor) -> ImageLoss:
    """Measures 1 - multi-scale SSIM.

    It takes contrast and structure on up to five scales, each half of the previous one, and luminance on the last.
    Small pictures have fewer scales, so that a window fits on each.
    """
    scales = [_Scale(target, weight)]
    while len(scales) < len(SCALE_WEIGHTS) and min(target.shape[1:]) // 2 > 2 * RADIUS:
        target, weight = _halved(target), _halved(weight[None])[0]
        scales.append(_Scale(target, weight))
    powers = [share / sum(SCALE_WEIGHTS[: len(scales)]) for share in SCALE_WEIGHTS[: len(scales)]]

    def loss(image: Tensor) -> Tensor:
        product = torch.ones((), dtype=image.dtype, device=image.device)
        for index, (scale, power) in enumerate(zip(scales, powers, strict=True)):
            image = image if index == 0 else _halved(image)
            similarity = scale.similarity(image, luminance=scale is scales[-1])
            product = product * similarity.clamp_min(LEAST) ** power
        return 1.0 - product

    return loss


class _Scale:
    """A target with its statistics for SSIM, and the weights of the windows."""

    def __init__(self, target: Tensor, weight: Tensor) -> None:
        # A picture smaller than the window is extended by its edges, and all its pixels count.
        self._border = RADIUS if min(target.shape[1:]) <= 2 * RADIUS else 0
        self.target = self._continued(target)
        if not self._border:
            weight = weight[RADIUS:-RADIUS, RADIUS:-RADIUS]
        total = weight.sum()
        weight = weight / total if total > 0 else torch.full_like(weight, 1.0 / weight.numel())
        self.weight = weight / len(target)
        self.mean = _blurred(self.target)
        self.variance = _blurred(self.target.square()) - self.mean.square()

    def similarity(self, image: Tensor, *, luminance: bool) -> Tensor:
        """Returns the mean SSIM, or, without the luminance, the mean of its contrast and structure alone."""
        return _Similarity.apply(self._continued(image), self, luminance)  # type: ignore[no-untyped-call]

    def _continued(self, image: Tensor) -> Tensor:
        return pad(image[None], (self._border,) * 4, mode="replicate")[0] if self._border else image


class _Similarity(torch.autograd.Function):
    """The similarity of an image to a scale, with its own gradient in a third of autograd's time."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, scale: _Scale, luminance: bool) -> Tensor:
        target, mean_b = scale.target, scale.mean
        mean_a = _blurred(image)
        spread = (_blurred(image.square()) - mean_a.square()).add_(scale.variance).add_(C2)
        structure = (_blurred(image * target) - mean_a * mean_b).mul_(2.0).add_(C2).div_(spread)
        # Derivatives for the windows' means of image, image^2 and image * target.
        of_product = (2.0 * scale.weight) / spread
        of_mean = torch.zeros_like(mean_a)
        similarity = structure
        if luminance:
            size = (mean_a.square() + mean_b.square()).add_(C1)
            likeness = (2.0 * mean_a * mean_b).add_(C1).div_(size)
            of_mean = (mean_b - mean_a * likeness).mul_(structure).mul_(2.0 * scale.weight).div_(size)
            of_product *= likeness
            similarity = structure * likeness
        of_square = (-0.5 * structure).mul_(of_product)
        of_mean.addcmul_(mean_a, of_square, value=-2.0).addcmul_(mean_b, of_product, value=-1.0)
        gradient = _spread_out(of_mean).addcmul_(image, _spread_out(of_square), value=2.0)
        ctx.save_for_backward(gradient.addcmul_(target, _spread_out(of_product)))
        return (similarity * scale.weight).sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, cotangent: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * cotangent, None, None


def _blurred(planes: Tensor) -> Tensor:
    """Returns the means of planes [C, H, W] over the windows that lie inside: [C, H - 10, W - 10]."""
    # Sums of shifted views: a convolution of few channels takes several times as long.
    for axis in (-2, -1):
        size = planes.shape[axis] - len(_WINDOW) + 1
        total = planes.narrow(axis, 0, size) * _WINDOW[0]
        for shift, weight in enumerate(_WINDOW[1:], 1):
            total.add_(planes.narrow(axis, shift, size), alpha=weight)
        planes = total
    return planes


def _spread_out(planes: Tensor) -> Tensor:
    """Returns the transpose of _blurred: [C, H - 10, W - 10] to [C, H, W]."""
    return _blurred(pad(planes, (2 * RADIUS,) * 4))


def _halved(planes: Tensor) -> Tensor:
    return avg_pool2d(planes[None], 2)[0]
