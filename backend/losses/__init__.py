"""The losses by name, and their weights in a fit.

The modules images, structure and perceptual judge the image, regularizers the primitives; `combination` has them all.
Images are display-encoded. The engines compute the pixel losses "mse" and "l1" themselves (Engine.step). This module
needs no PyTorch, so that a fit by those alone does not load it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..job import UserError, quoted

if TYPE_CHECKING:
    from torch import Tensor

Loss = Callable[["Tensor"], "Tensor"]
"""A user's own loss: from an image [3, H, W], display-encoded, to a scalar; differentiated by autograd."""

FUSED = ("mse", "l1")
"""The losses that Engine.step computes."""


@dataclass(frozen=True)
class LossKind:
    """A loss that can be chosen by name."""

    of: Literal["image", "alpha", "primitives"]
    summary: str  # one line, for lists


LOSSES: dict[str, LossKind] = {
    "mse": LossKind("image", "squared error: what PSNR measures"),
    "l1": LossKind("image", "absolute error: crisper, outliers count less"),
    "huber": LossKind("image", "squared small and absolute large errors"),
    "gray_mse": LossKind("image", "squared error of the brightness: colors are free"),
    "gray_l1": LossKind("image", "absolute error of the brightness"),
    "gray_huber": LossKind("image", "Huber error of the brightness"),
    "ssim": LossKind("image", "1 - structural similarity: textures and fine detail"),
    "ms_ssim": LossKind("image", "1 - multi-scale structural similarity: forms of every size"),
    "edge": LossKind("image", "error of the gradient: outlines in place"),
    "laplacian": LossKind("image", "absolute error in bands of detail: coarse forms count like fine"),
    "perceptual": LossKind("image", "error of VGG16's features (needs its weights; slow)"),
    "alpha": LossKind("alpha", "squared error of alpha: cover what counts, leave free what does not"),
    "overlap": LossKind("primitives", "primitives lie side by side"),
    "size": LossKind("primitives", "primitives are small"),
    "sparsity": LossKind("primitives", "primitives that are of little use vanish"),
    "decisive": LossKind("primitives", "primitives are opaque or vanish"),
    "smoothness": LossKind("primitives", "neighbors are rotated alike"),
    "alignment": LossKind("primitives", "primitives lie along the target's edges"),
    "boundary": LossKind("primitives", "primitives stay inside the canvas"),
}


def chosen_losses(losses: Mapping[str, float], otherwise: str = "mse") -> dict[str, float]:
    """Returns the losses by name whose weight is not 0, among them at least one of the image: `otherwise` if none is.

    Raises UserError for names that do not exist, and where the weights of all losses of the image are 0.
    """
    check_losses(losses)
    chosen = {name: factor for name, factor in losses.items() if factor > 0}
    if any(LOSSES[name].of != "primitives" for name in chosen):
        return chosen
    if any(LOSSES[name].of != "primitives" for name in losses) or (losses and not chosen):
        raise UserError("All weights of losses of the image are 0: give at least one of them a weight")
    return {otherwise: 1.0, **chosen}


def fused_loss(losses: Mapping[str, float], otherwise: str = "mse") -> tuple[str | None, float]:
    """Returns the engines' own loss and its weight if the image is judged by that alone, else None and 0.

    Raises UserError as chosen_losses does.
    """
    chosen = chosen_losses(losses, otherwise)
    of_image = [name for name in chosen if LOSSES[name].of != "primitives"]
    if len(of_image) == 1 and of_image[0] in FUSED:
        return of_image[0], chosen[of_image[0]]
    return None, 0.0


def regularized(losses: Mapping[str, float]) -> bool:
    """Whether a loss of the primitives has a weight."""
    return any(factor > 0 and LOSSES[name].of == "primitives" for name, factor in losses.items())


def check_losses(losses: Mapping[str, float]) -> None:
    """Raises UserError for names that are not in LOSSES."""
    for name in losses:
        if name not in LOSSES:
            raise UserError(f"There is no loss {quoted(name)}: choose from {', '.join(LOSSES)}")
