"""Regularizers: losses of the primitives themselves, such as of their size and arrangement.

Each function takes the target and the weight of its pixels (see images.py) and returns the loss: a differentiable
function of the primitives. All are means or shares of the order of 1, whatever the size of the canvas.

Their cost grows only with the number of primitives. Neighborhoods are gathered on a coarse grid, to which every
primitive adds a Gaussian. A Gaussian is the product of one along x and one along y, so the sum over primitives is
a product of matrices, whatever their number and size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torch.utils.checkpoint import checkpoint

from ..templates import Templates
from .images import sobel

GRID = 128
"""Cells along the longer side of the canvas: a cell is 4 px of 512."""
FAINT = 0.1
"""Opacity below which a primitive vanishes rather than fades."""
CHUNK = 16384  # primitives whose Gaussians are in memory at a time
SMOOTHING = 0.01  # sigma / longer side, over which the direction of edges is averaged
FAINT_SLOPE = 1.0 / 255  # per px; smaller slopes are noise without a direction


@dataclass(frozen=True)
class Stamps:
    """N primitives, as the regularizers take them."""

    params: Tensor  # [N, 9], columns of engines.PARAMETERS
    extent: Tensor  # [N, 2] width and height of the primitive's template / their maximum
    coverage: Tensor  # [N] mean alpha of the template over its local square
    height: int  # of the canvas, px
    width: int

    @classmethod
    def of(cls, params: Tensor, template: Tensor, templates: Templates, height: int, width: int) -> Stamps:
        """Makes stamps of params [N, 9] and the template [N] of each primitive."""
        size = torch.tensor([[item.width, item.height] for item in templates.items]).to(params)
        coverage = torch.from_numpy(templates.coverage).to(params)
        extent = size / size.amax(1, keepdim=True)
        return cls(params, extent[template], coverage[template], height, width)

    @property
    def area(self) -> Tensor:
        """The covered area of each primitive: [N] px^2. Stretching does not change it."""
        return 4.0 * self.params[:, 2].square() * self.coverage

    @property
    def half_axes(self) -> tuple[Tensor, Tensor]:
        """Half the width and half the height of each primitive: [N], [N] px."""
        scale, stretch = self.params[:, 2], self.params[:, 3].sqrt()
        return scale * stretch * self.extent[:, 0], scale / stretch * self.extent[:, 1]


Regularizer = Callable[[Stamps], Tensor]


def overlap(target: Tensor, weight: Tensor) -> Regularizer:
    """Measures the area that both of two primitives cover, by opacity, summed over all pairs, as a share of the canvas.

    A primitive counts as a Gaussian with the area and spread of a disc; touching discs overlap by 2 %. Those smaller
    than a cell of the grid are spread over it, and repel each other slightly before they touch.
    """

    def loss(stamps: Stamps) -> Tensor:
        cell = max(stamps.height, stamps.width) / GRID
        x, y = stamps.params[:, 0], stamps.params[:, 1]
        # A disc's second moment is a quarter of its radius squared.
        sigma = (stamps.area / (4.0 * math.pi)).clamp_min(1e-12).sqrt()
        layers = stamps.params[:, 5] * stamps.area / cell**2
        total = torch.zeros((), dtype=x.dtype, device=x.device)
        own = torch.zeros((), dtype=x.dtype, device=x.device)
        for chunk in zip(*(values.split(CHUNK) for values in (x, y, sigma, layers)), strict=True):
            sums = checkpoint(
                _layers, *chunk, stamps.height, stamps.width, cell, use_reentrant=False, preserve_rng_state=False
            )
            total, own = total + sums[0], own + sums[1]
        return (total.square().sum() - own) / 2.0 * cell**2 / (stamps.height * stamps.width)

    return loss


def size(target: Tensor, weight: Tensor) -> Regularizer:
    """Measures the area of all primitives as a share of the canvas."""
    return lambda stamps: stamps.area.sum() / (stamps.height * stamps.width)


def sparsity(target: Tensor, weight: Tensor) -> Regularizer:
    """Measures the share of visible primitives: the mean of (1 + f) opacity / (opacity + f), f = FAINT.

    It rises steeply at 0 and hardly at 1: primitives of little use vanish and the others stay opaque, where the plain
    mean would fade all of them.
    """

    def loss(stamps: Stamps) -> Tensor:
        opacity = stamps.params[:, 5]
        return ((1.0 + FAINT) * opacity / (opacity + FAINT)).mean()

    return loss


def decisive(target: Tensor, weight: Tensor) -> Regularizer:
    """Measures the mean of 4 opacity (1 - opacity): primitives become opaque or vanish."""
    return lambda stamps: (4.0 * stamps.params[:, 5] * (1.0 - stamps.params[:, 5])).mean()


def smoothness(target: Tensor, weight: Tensor) -> Regularizer:
    """Measures the mean of (1 - cos(difference of rotation)) / 2 to the neighbors: 0 = parallel, 1 = opposite.

    Neighbors weigh by a Gaussian of the primitives' mean spacing. Only rotations have a gradient.
    """

    def loss(stamps: Stamps) -> Tensor:
        height, width, count = stamps.height, stamps.width, len(stamps.params)
        cell = max(height, width) / GRID
        spacing = stamps.params.new_full((), math.sqrt(height * width / count))
        x, y, rotation = stamps.params[:, 0].detach(), stamps.params[:, 1].detach(), stamps.params[:, 4]
        # Two Gaussians of sigma / sqrt(2), one to add by and one to look up by, are one of sigma between primitives.
        across = _shares(x, spacing / math.sqrt(2.0), width, cell)
        down = _shares(y, spacing / math.sqrt(2.0), height, cell)
        own = across.square().sum(1) * down.square().sum(1)
        one, cosine, sine = torch.ones_like(rotation), rotation.cos(), rotation.sin()

        def around(values: Tensor) -> Tensor:
            """Returns the sum of values over the neighbors, by nearness: [N]."""
            field = (down * values[:, None]).T @ across
            return ((down @ field) * across).sum(1) - own * values

        near = around(one)
        alike = cosine * around(cosine) + sine * around(sine)
        least = (1e-3 * own.mean().double()).to(near.dtype)
        return ((near - alike) / (2.0 * near.clamp_min(least))).mean()

    return loss


def alignment(target: Tensor, weight: Tensor) -> Regularizer:
    """Measures the mean of sin^2 of the angle between primitives' longer axes and the target's edges.

    It weighs by how clear the direction of the edges is, from 0 to 1. Only rotations have a gradient.
    """
    directions = _edge_directions(target)

    def loss(stamps: Stamps) -> Tensor:
        x, y = stamps.params[:, :2].detach().unbind(1)
        place = torch.stack([x / stamps.width, y / stamps.height], 1) * 2.0 - 1.0
        field = directions.to(place.dtype)[None]
        found = grid_sample(field, place[None, None], padding_mode="border", align_corners=False)[0, :, 0]
        u, v = stamps.half_axes
        sign = torch.where(u.detach() >= v.detach(), 1.0, -1.0)
        double = 2.0 * stamps.params[:, 4]
        along = sign * (found[0] * double.cos() + found[1] * double.sin())
        return ((found.norm(dim=0) - along) / 2.0).mean()

    return loss


def boundary(target: Tensor, weight: Tensor) -> Regularizer:
    """Measures how far primitives stick out of the canvas.

    The mean of s^2, summed over the four edges, where s is the share of a primitive beyond an edge; from s = 1, where
    nothing is left inside, 2 s - 1.
    """

    def loss(stamps: Stamps) -> Tensor:
        x, y, rotation = stamps.params[:, 0], stamps.params[:, 1], stamps.params[:, 4]
        (u, v), cosine, sine = stamps.half_axes, rotation.cos().square(), rotation.sin().square()
        total = torch.zeros_like(x)
        for center, reach, length in (
            (x, u.square() * cosine + v.square() * sine, stamps.width),  # of the ellipse in the template's rectangle
            (y, u.square() * sine + v.square() * cosine, stamps.height),
        ):
            half = reach.clamp_min(1e-12).sqrt()
            for beyond in (half - center, center + half - length):
                share = (beyond / (2.0 * half)).clamp_min(0.0)
                total = total + torch.where(share < 1.0, share.square(), 2.0 * share - 1.0)
        return total.mean()

    return loss


def _layers(
    x: Tensor, y: Tensor, sigma: Tensor, layers: Tensor, height: int, width: int, cell: float
) -> tuple[Tensor, Tensor]:
    """Returns the layers that primitives add to each cell [rows, columns], and the sum of squares of each one's []."""
    across, down = _shares(x, sigma, width, cell), _shares(y, sigma, height, cell)
    own = (layers.square() * across.square().sum(1) * down.square().sum(1)).sum()
    return (down * layers[:, None]).T @ across, own


def _shares(center: Tensor, sigma: Tensor, length: int, cell: float) -> Tensor:
    """Returns the share of N Gaussians along an axis in each cell of the canvas: [N, cells]."""
    edges = torch.arange(math.ceil(length / cell) + 1, dtype=center.dtype, device=center.device) * cell
    reach = (edges - center[:, None]) / (math.sqrt(2.0) * sigma).reshape(-1, 1)
    return torch.erf(reach).diff(dim=1) / 2.0


def _edge_directions(target: Tensor) -> Tensor:
    """Returns cosine and sine of twice the angle of the edges, times its clarity from 0 to 1: [2, H, W]."""
    x, y = sobel(target)
    products = torch.stack([x.square() - y.square(), 2.0 * x * y, x.square() + y.square()]).sum(1)
    height, width = target.shape[1:]
    sigma = target.new_full((), max(1.0, SMOOTHING * max(height, width)))
    columns, rows = (torch.arange(size, dtype=target.dtype, device=target.device) for size in (width, height))
    across, down = _shares(columns + 0.5, sigma, width, 1.0), _shares(rows + 0.5, sigma, height, 1.0)
    across, down = across / across.sum(1, keepdim=True), down / down.sum(1, keepdim=True)
    cosine, sine, strength = down @ products @ across.T
    # Edges run across the gradient: a quarter turn, half a turn of twice the angle.
    return -torch.stack([cosine, sine]) / (strength + FAINT_SLOPE**2 * len(target))
