"""Losses of images that are not composited display-encoded, or not judged by an engine's own pixel loss.

Where image and loss are both display-encoded, the engines have the pixel losses built in (Rasterizer.step).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor], Tensor]
"""A user's own: from an image [3, H, W], display-encoded, to a scalar; differentiated by autograd."""


def pixel_error(
    image: Tensor,  # [3, H, W]
    target: Tensor,  # [3, H, W]
    weight: Tensor,  # [H, W]
) -> float:
    """Sum over pixels and channels of weight * error^2."""
    # Plane by plane, which keeps the memory low.
    return sum(
        float((weight * (plane - goal).square_()).sum(dtype=torch.float64))
        for plane, goal in zip(image, target, strict=True)
    )


def encoded_pixel_loss(
    light: Tensor,  # [3, H, W]
    target: Tensor,  # [3, H, W] display-encoded
    weight: Tensor,  # [H, W]
    kind: str = "mse",
) -> tuple[float, Tensor]:
    """The pixel loss of an image in linear light, measured as it is seen: display-encoded.

    Returns the sum over pixels and channels of weight * error^2 ("mse") or weight * |error| ("l1"), and its cotangent
    [3, H, W] with respect to the light. Written out, this takes a fifth of the time of autograd.
    """
    total, cotangent = 0.0, torch.empty_like(light)
    for plane, goal, out in zip(light, target, cotangent, strict=True):
        # color.encode and, from the same power, its derivative.
        dark = plane <= 0.0031308
        curved = plane.clamp_min(0.0031308)
        power = curved.pow(1 / 2.4).mul_(1.055)
        error = torch.where(dark, plane * 12.92, power - 0.055).sub_(goal)
        slope = power.div_(curved).div_(2.4).masked_fill_(dark, 12.92)
        value, derivative = (error.square(), error.mul_(2.0)) if kind == "mse" else (error.abs(), error.sign_())
        total += float(value.mul_(weight).sum(dtype=torch.float64))
        torch.mul(derivative.mul_(weight), slope, out=out)
    return total, cotangent
