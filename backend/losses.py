"""Losses between an image and its target, as torch functions of the display-encoded image.

The engines have the pixel losses built in (Rasterizer.step); these are for where the image passes through torch: linear
light, whose loss is measured on the encoded image, and losses written by the user.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Loss = Callable[[Tensor], Tensor]
"""From an image [3, H, W], display-encoded, to a scalar; differentiated by autograd."""


def pixel_loss(
    image: Tensor,  # [3, H, W]
    target: Tensor,  # [3, H, W]
    weight: Tensor,  # [H, W]
    kind: str = "mse",
) -> Tensor:
    """Sum over pixels and channels of weight * error^2 ("mse") or weight * |error| ("l1"), in float64."""
    error = image - target
    return (weight * (error.square() if kind == "mse" else error.abs())).double().sum()
