"""The combination of losses in a fit, and the engines' pixel losses written out, in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from ..job import UserError
from . import LOSSES, chosen_losses, fused_loss, images, regularizers
from .perceptual import perceptual
from .regularizers import Stamps
from .structure import ms_ssim, ssim

Term = Callable[[Any], Tensor]
"""A loss for a given target: a function of the image [3, H, W], the alpha [H, W], or Stamps."""

STAY_CLEAR = 1 / 6
"""Weight of alpha^2 where nothing should be: the mean squared error of any color over noise."""

PREPARED: dict[str, Callable[[Tensor, Tensor], Term]] = {
    "mse": images.mse,
    "l1": images.l1,
    "huber": images.huber,
    "gray_mse": images.gray(images.mse),
    "gray_l1": images.gray(images.l1),
    "gray_huber": images.gray(images.huber),
    "ssim": ssim,
    "ms_ssim": ms_ssim,
    "edge": images.edge,
    "laplacian": images.laplacian,
    "perceptual": perceptual,
    "alpha": images.alpha,
    "overlap": regularizers.overlap,
    "size": regularizers.size,
    "sparsity": regularizers.sparsity,
    "decisive": regularizers.decisive,
    "smoothness": regularizers.smoothness,
    "alignment": regularizers.alignment,
    "boundary": regularizers.boundary,
}
"""Makes each loss of LOSSES from the target [3, H, W] (of "alpha": [H, W]) and the weight [H, W], whose sum is 1."""


class Combination:
    """A weighted sum of losses by name: image losses of the image and its alpha, regularizers of the primitives.

    Terms of the target alone are computed once. A pixel of weight 0 does not affect any image loss, not even as a
    neighbor; a term of the alpha, besides the image losses, keeps it clear.

    fused: the name of the engines' own pixel loss ("mse" or "l1") if the image is judged by that alone, else None.
    fused_weight: the weight it has.
    """

    def __init__(
        self,
        losses: Mapping[str, float],  # weights by name
        target: Tensor,  # [3, H, W] display-encoded
        *,
        weight: Tensor | None = None,  # [H, W] from 0 = stays clear; None = all pixels alike
        alpha: Tensor | None = None,  # [H, W] of the target; None = 1 where the weight is not 0
        hidden: Tensor | None = None,  # [H, W] bool: pixels of weight 0 that need not stay clear; None = none
        otherwise: str = "mse",  # the image loss if `losses` names only regularizers or nothing
    ) -> None:
        """Raises UserError for names that do not exist, weights that are all 0, and losses that cannot run here."""
        chosen = chosen_losses(losses, otherwise)
        ignored = None if weight is None or bool((weight > 0).all()) else weight <= 0
        weight = torch.ones_like(target[0]) if weight is None else weight.to(target.dtype)
        total = float(weight.sum(dtype=torch.float64))
        if total <= 0:
            raise UserError("The mask is black everywhere, so nothing would be placed: paint white what counts")
        weight = weight / total
        goals = {"image": target, "alpha": (weight > 0).to(target.dtype) if alpha is None else alpha}
        self._terms: dict[str, list[tuple[float, Term]]] = {of: [] for of in ("image", "alpha", "primitives")}
        for name, factor in chosen.items():
            kind = LOSSES[name]
            self._terms[kind.of].append((factor, PREPARED[name](goals.get(kind.of, target), weight)))
        self._target, self._ignored = target, ignored
        self._clear = ignored if ignored is None or hidden is None else ignored & ~hidden
        self.fused, self.fused_weight = fused_loss(losses, otherwise)
        # A clear pixel weighs as much as a white one.
        of_colors = sum(factor for factor, _ in self._terms["image"])
        self._clear_weight = STAY_CLEAR * of_colors * float(weight.max())

    @property
    def needs_alpha(self) -> bool:
        return bool(self._terms["alpha"]) or self._clear is not None

    def image_loss(self, image: Tensor, alpha: Tensor | None = None) -> Tensor:
        """Returns the loss [] of an image [3, H, W], display-encoded, and of its alpha [H, W] (if needs_alpha)."""
        if alpha is None and self.needs_alpha:
            raise ValueError("this combination also judges the alpha")
        total = torch.zeros((), dtype=image.dtype, device=image.device)
        if self._ignored is not None:
            image = torch.where(self._ignored, self._target, image)
        if self._clear is not None:
            assert alpha is not None
            total = total + self._clear_weight * (alpha.square() * self._clear).sum()
        for of, what in (("image", image), ("alpha", alpha)):
            for factor, loss in self._terms[of]:
                total = total + factor * loss(what)
        return total

    def regularization(self, stamps: Stamps) -> Tensor:
        """Returns the weighted sum [] of the regularizers."""
        total = torch.zeros((), dtype=stamps.params.dtype, device=stamps.params.device)
        for factor, loss in self._terms["primitives"]:
            total = total + factor * loss(stamps)
        return total


def encoded_pixel_loss(
    light: Tensor,  # [3, H, W]
    target: Tensor,  # [3, H, W] display-encoded
    weight: Tensor,  # [H, W]
    kind: str = "mse",
) -> tuple[Tensor, Tensor]:
    """Returns the pixel loss of an image in linear light, measured on display-encoded color.

    Returns the sum over pixels and channels of weight * error^2 ("mse") or weight * |error| ("l1"), [] float64, and its
    cotangent [3, H, W] with respect to the light. This takes a fifth of the time of autograd.
    """
    total, cotangent = torch.zeros((), dtype=torch.float64, device=light.device), torch.empty_like(light)
    for plane, goal, out in zip(light, target, cotangent, strict=True):
        # color.encode and, from the same power, its derivative.
        dark = plane <= 0.0031308
        curved = plane.clamp_min(0.0031308)
        power = curved.pow(1 / 2.4).mul_(1.055)
        error = torch.where(dark, plane * 12.92, power - 0.055).sub_(goal)
        slope = power.div_(curved).div_(2.4).masked_fill_(dark, 12.92)
        value, derivative = (error.square(), error.mul_(2.0)) if kind == "mse" else (error.abs(), error.sign_())
        total += value.mul_(weight).sum(dtype=torch.float64)
        torch.mul(derivative.mul_(weight), slope, out=out)
    return total, cotangent
