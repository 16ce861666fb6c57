"""The reference engine: the mathematics in plain PyTorch, in any float type, differentiated by autograd.

It works by tiles of 32 x 32 px, each with all its primitives at once, so that real sizes are possible, if slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..native.arrays import IntArray
from ..native.threads import core_count
from ..pictures.color import DECODE_STEPS
from ..templates import Templates, padded
from .interface import AdamRule
from .light import decode_table, encode
from .tensors import Placement, Scores, Solutions, torch_threads

TILE = 32
DENSEST = 1.3e5
"""Texels per px above which no engine draws a primitive: kDensest of raster_math.h."""
BORDER = 2
"""The border of a level in the table, texels: one for the bilinear skirt, one where value and slope are zero."""


@dataclass
class _Level:
    offset: int  # index of its first texel in the table
    width: int  # texels, without the border
    height: int
    density_u: float  # texels per unit of the local square
    density_v: float


@dataclass
class _Geometry:
    """The map from canvas to texels for each primitive: texel = matrix (pixel - center) + origin."""

    matrix: Tensor  # [N, 2, 2] texels per px
    center: Tensor  # [N, 2] px
    origin: Tensor  # [N, 2] texel at the center, in the bordered level
    limit: Tensor  # [N, 2] largest texel coordinate
    offset: Tensor  # [N] first texel in the table
    stride: Tensor  # [N] texels in a row of the table
    reach: Tensor  # [N, 2] half extents of the bounding box, px
    drawn: Tensor  # [N] bool: False where a number is zero, infinite or NaN


class ReferenceRasterizer:
    """The reference engine: see engines.tensors.Rasterizer, also for shapes."""

    name = "reference"
    torch_device = torch.device("cpu")

    def __init__(
        self,
        templates: Templates,
        height: int,
        width: int,
        *,
        space: str = "display",
        threads: int = 0,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device = f"PyTorch on {threads or core_count()} CPU threads"
        self._templates, self._height, self._width = templates, height, width
        self._threads, self._dtype = threads or core_count(), dtype
        self._levels: list[_Level] = []
        self._alpha = torch.zeros(0, 1, dtype=dtype)  # all levels in use, 0..255
        self._texture = torch.zeros(0, 3, dtype=dtype)
        self._numbers = _LevelNumbers(templates)
        self._decode = decode_table().to(dtype) if space == "linear" else None

    def forward(self, params: Tensor, placement: Placement, background: Tensor) -> tuple[Tensor, Tensor]:
        """The image and its alpha, also differentiable by autograd in params and background. See Rasterizer."""
        image = background.to(self._dtype).clone()
        alpha = torch.zeros(self._height, self._width, dtype=self._dtype)
        with torch_threads(self._threads):
            for rows, columns, tile_image, tile_alpha in self._tiles(params, placement, background):
                image[:, rows, columns] = tile_image
                alpha[rows, columns] = tile_alpha
        return image, alpha

    def backward(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        grad_image: Tensor,
        grad_alpha: Tensor | None = None,
    ) -> Tensor:
        leaf = params.detach().to(self._dtype).requires_grad_()
        with torch_threads(self._threads), torch.enable_grad():
            for rows, columns, image, alpha in self._tiles(leaf, placement, background.detach()):
                value = (grad_image[:, rows, columns] * image).sum()
                if grad_alpha is not None:
                    value = value + (grad_alpha[rows, columns] * alpha).sum()
                value.backward()
        return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad

    def step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor]:
        leaf = params.detach().to(self._dtype).requires_grad_()
        bare = torch.ones(self._height, self._width, dtype=torch.bool)
        with torch_threads(self._threads), torch.enable_grad():
            total = torch.zeros((), dtype=torch.float64)
            for rows, columns, image, _ in self._tiles(leaf, placement, background.detach()):
                value = self._loss_map(image, target[:, rows, columns], weight[rows, columns], loss).sum()
                value.backward()
                total += value.detach()
                bare[rows, columns] = False
        total += self._loss_map(background.to(self._dtype), target, weight * bare, loss).sum()
        return total, torch.zeros_like(leaf) if leaf.grad is None else leaf.grad

    def scored_step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor, Scores]:
        value, grad = self.step(params, placement, background, target, weight, loss)
        image, _ = self.forward(params.detach(), placement, background)
        loss_map = self._loss_map(image, target, weight, loss)
        removal = torch.zeros(len(params), dtype=self._dtype)
        with torch_threads(self._threads), torch.no_grad():
            for rows, columns, chosen in self._occupied(params, placement):
                behind = background[:, rows, columns].to(self._dtype)
                samples = self._samples(params, placement, chosen, rows, columns)
                place = (target[:, rows, columns], weight[rows, columns], loss)
                before = loss_map[rows, columns].sum()
                for number, picture in zip(chosen, _without_each(*samples, behind), strict=True):
                    removal[number] += self._loss_map(picture, *place).sum() - before
        return value, grad, Scores(target, image, loss_map, removal)

    def iteration(self, count: int, rule: AdamRule, **options: object) -> None:
        """None: the optimizer on the host makes the steps of a fit. See Rasterizer."""
        return None

    def solve_on_top(
        self, params: Tensor, placement: Placement, image: Tensor, target: Tensor, weight: Tensor
    ) -> Solutions:
        numerator, denominator = torch.zeros(2, len(params), 3, dtype=self._dtype)
        constant = torch.zeros(len(params), dtype=self._dtype)
        # A sample's color is affine in the candidate's: its value for black, and its slope.
        black, white = (torch.cat([params[:, :6], torch.full_like(params[:, 6:], v)], 1) for v in (0.0, 1.0))
        with torch_threads(self._threads), torch.no_grad():
            for rows, columns, chosen in self._occupied(params, placement):
                alpha, rest = self._samples(black, placement, chosen, rows, columns)
                slope = self._samples(white, placement, chosen, rows, columns)[1] - rest
                error = (target - image)[:, rows, columns].to(self._dtype)
                left = error + alpha[:, None] * (image[:, rows, columns] - rest)
                part, scale = weight[..., rows, columns].to(self._dtype), alpha[:, None] * slope
                numerator[chosen] += (part * scale * left).sum((2, 3))
                denominator[chosen] += (part * scale.square()).sum((2, 3))
                constant[chosen] += (part * (error.square() - left.square())).sum((1, 2, 3))
        return Solutions(numerator, denominator, constant)

    def gains_on_top(self, params: Tensor, placement: Placement, scores: Scores, weight: Tensor) -> Tensor:
        result = torch.zeros(len(params), dtype=self._dtype)
        with torch_threads(self._threads), torch.no_grad():
            for rows, columns, chosen in self._occupied(params, placement):
                alpha, color = self._samples(params, placement, chosen, rows, columns)
                image = scores.image[:, rows, columns]
                mixed = image + alpha[:, None] * (color - image)
                after = self._loss_map(mixed, scores.target[:, rows, columns], weight[rows, columns])
                result[chosen] += (scores.loss_map[rows, columns] - after).sum((1, 2))
        return result

    def _loss_map(self, image: Tensor, target: Tensor, weight: Tensor, loss: str = "mse") -> Tensor:
        """Weighted loss of each pixel [..., H, W] of a composited image [..., 3, H, W]."""
        error = (image if self._decode is None else encode(image)) - target
        return weight * (error.square() if loss == "mse" else error.abs()).sum(-3)

    def _tiles(
        self, params: Tensor, placement: Placement, background: Tensor
    ) -> Iterator[tuple[slice, slice, Tensor, Tensor]]:
        """Yields rows, columns, image [3, h, w] and alpha [h, w] of each tile with primitives."""
        for rows, columns, chosen in self._occupied(params, placement):
            behind = background[:, rows, columns].to(self._dtype)
            # A fresh graph per tile: backward frees it, and memory stays with the tile.
            alphas, colors = self._samples(params, placement, chosen, rows, columns)
            transmittance, last = _transmittances(alphas)
            image = ((transmittance * alphas)[:, None] * colors).sum(0) + last * behind
            yield rows, columns, image, 1 - last

    def _occupied(self, params: Tensor, placement: Placement) -> Iterator[tuple[slice, slice, Tensor]]:
        """Yields rows, columns and the indices of the primitives of each tile with primitives."""
        geometry = self._geometry(params.detach().to(self._dtype), placement)
        low, high = geometry.center - geometry.reach, geometry.center + geometry.reach
        for top in range(0, self._height, TILE):
            for left in range(0, self._width, TILE):
                rows = slice(top, min(top + TILE, self._height))
                columns = slice(left, min(left + TILE, self._width))
                near = (low[:, 0] < columns.stop) & (high[:, 0] > left) & (low[:, 1] < rows.stop) & (high[:, 1] > top)
                chosen = (near & geometry.drawn).nonzero()[:, 0]
                if len(chosen):
                    yield rows, columns, chosen

    def _samples(
        self, params: Tensor, placement: Placement, chosen: Tensor, rows: slice, columns: slice
    ) -> tuple[Tensor, Tensor]:
        """Alpha [K, h, w] and color [K, 3, h, w] (or [K, 3, 1, 1]) of the chosen primitives on a tile."""
        part = Placement(placement.template[chosen], placement.level[chosen], placement.mirror[chosen])
        params = params[chosen].to(self._dtype)
        geometry = self._geometry(params, part)
        first, fractions = self._footprints(geometry, rows, columns)
        mask = _bilinear(self._alpha, first, geometry.stride, fractions)[:, 0] / 255
        colors = self._colors(
            params[:, 6:9], part.template, lambda: _bilinear(self._texture, first, geometry.stride, fractions)
        )
        return params[:, 5, None, None] * mask, colors

    def _footprints(self, geometry: _Geometry, rows: slice, columns: slice) -> tuple[Tensor, list[Tensor]]:
        """The table index of each sample's first texel [K, h, w], and the fractions to the next along u and v."""
        x = torch.arange(columns.start, columns.stop, dtype=self._dtype) + 0.5
        y = torch.arange(rows.start, rows.stop, dtype=self._dtype) + 0.5
        dx = x[None, None] - geometry.center[:, 0, None, None]
        dy = y[None, :, None] - geometry.center[:, 1, None, None]
        matrix, origin, limit = (a[..., None, None] for a in (geometry.matrix, geometry.origin, geometry.limit))
        # Products beyond the float type may differ by infinity: such samples lie off the level, too.
        texel = [
            (matrix[:, i, 0] * dx + matrix[:, i, 1] * dy + origin[:, i]).nan_to_num(0).clamp_min(0).minimum(limit[:, i])
            for i in (0, 1)
        ]
        whole = [t.detach().floor().long() for t in texel]
        first = geometry.offset[:, None, None] + whole[1] * geometry.stride[:, None, None] + whole[0]
        return first, [t - w for t, w in zip(texel, whole, strict=True)]

    def _colors(self, color: Tensor, template: Tensor, texture: Callable[[], Tensor]) -> Tensor:
        """The color of each sample, p + q * texture: [K, 3, h, w] (or [K, 3, 1, 1]) from color [K, 3]."""
        items = [self._templates.items[t] for t in template.tolist()]
        if not any(item.textured for item in items):
            return color[..., None, None]
        blend = torch.tensor([t.blend if t.textured else 0.0 for t in items], dtype=self._dtype)[:, None]
        multiply = torch.tensor([t.mode == "multiply" for t in items])[:, None]
        p = (1 - blend) * color
        q = torch.where(multiply, blend * color, blend)
        return p[..., None, None] + q[..., None, None] * self._light(texture())

    def _light(self, texture: Tensor) -> Tensor:
        """Converts texel values 0..255 to the compositing space, [0, 1]."""
        if self._decode is None:
            return texture / 255
        steps = texture * DECODE_STEPS
        index = steps.detach().floor().long()
        low = self._decode[index]
        return low + (steps - index) * (self._decode[index + 1] - low)

    def _geometry(self, params: Tensor, placement: Placement) -> _Geometry:
        template, level = placement.template.cpu().numpy(), placement.level.cpu().numpy()
        numbers = self._numbers.of(template, level, self._add_level).tolist()
        levels = [self._levels[n] for n in numbers]
        size = torch.tensor([[v.width, v.height] for v in levels], dtype=self._dtype).reshape(-1, 2)
        density = torch.tensor([[v.density_u, v.density_v] for v in levels], dtype=self._dtype).reshape(-1, 2)
        sign = torch.where(placement.mirror, -1.0, 1.0).to(self._dtype)
        scale, root = params[:, 2], params[:, 3].sqrt()
        per_px = density / torch.stack([scale * root, scale / root], 1)
        cos, sin = params[:, 4].cos(), params[:, 4].sin()
        matrix = torch.stack(
            [
                torch.stack([cos, sin], 1) * (sign * per_px[:, 0])[:, None],
                torch.stack([-sin, cos], 1) * per_px[:, 1:],
            ],
            1,
        )
        # Half extents with a texel of bilinear skirt, rotated to the axes of the canvas.
        half = ((size / 2 + 1) / per_px).detach()
        turned = torch.stack([torch.stack([cos, sin], 1), torch.stack([sin, cos], 1)], 1).detach().abs()
        reach = (turned @ half[..., None])[..., 0]
        offset = torch.tensor([v.offset for v in levels], dtype=torch.int64)
        stride = torch.tensor([v.width + 2 * BORDER for v in levels], dtype=torch.int64)
        # The last footprint starts one texel before the table's edge, all zeros.
        limit = size + 2 * BORDER - 2
        drawn = ((per_px > 0) & (per_px < DENSEST)).all(1) & reach.isfinite().all(1)
        return _Geometry(matrix, params[:, :2], (size - 1) / 2 + BORDER, limit, offset, stride, reach, drawn)

    def _add_level(self, template: int, level_u: int, level_v: int) -> None:
        bitmap = padded(self._templates.bitmap(template, level_u, level_v), BORDER)
        height, width = bitmap.shape[0] - 2 * BORDER, bitmap.shape[1] - 2 * BORDER
        density = self._templates.density(template, level_u, level_v)
        self._levels.append(_Level(len(self._alpha), width, height, *density))
        texels = torch.from_numpy(bitmap).reshape(-1, 4).to(self._dtype)
        self._alpha = torch.cat([self._alpha, texels[:, 3:]])
        self._texture = torch.cat([self._texture, texels[:, :3]])


class _LevelNumbers:
    """Numbers the (template, level) pairs in use, in the order of their first use."""

    def __init__(self, templates: Templates) -> None:
        self._numbers = np.full((len(templates), *templates.level_count.max(0)), -1, np.int64)
        self._count = 0

    def of(self, template: IntArray, level: IntArray, add: Callable[[int, int, int], None]) -> IntArray:
        """The number of each primitive's pair: [N] int64. Calls add(template, level_u, level_v) for each new pair."""
        index = (template, level[:, 0], level[:, 1])
        numbers = self._numbers[index]
        if (numbers < 0).any():
            missing = np.stack(index, 1)[numbers < 0]
            for key in np.unique(missing, axis=0).tolist():
                add(*key)
                self._numbers[tuple(key)] = self._count
                self._count += 1
            numbers = self._numbers[index]
        return numbers


def _bilinear(table: Tensor, first: Tensor, stride: Tensor, fractions: list[Tensor]) -> Tensor:
    """Interpolates the values [K, C, h, w] of four texels from `first` [K, h, w] on in a table [*, C]."""
    fu, fv = (f[..., None] for f in fractions)
    below = first + stride[:, None, None]
    top = table[first] + fu * (table[first + 1] - table[first])
    bottom = table[below] + fu * (table[below + 1] - table[below])
    return (top + fv * (bottom - top)).permute(0, 3, 1, 2)


def _transmittances(alphas: Tensor) -> tuple[Tensor, Tensor]:
    """The transmittances in front of each of K layers [K, h, w], and behind the last [h, w]."""
    after = (1 - alphas).cumprod(0)
    return torch.cat([torch.ones_like(after[:1]), after[:-1]]), after[-1]


def _without_each(alphas: Tensor, colors: Tensor, background: Tensor) -> Iterator[Tensor]:
    """Yields the picture [3, h, w] of layers [K, h, w], [K, 3, h, w] without the first, the second, and so on."""
    behind = [background]
    for alpha, color in zip(alphas.flip(0), colors.flip(0), strict=True):
        behind.append(alpha * color + (1 - alpha) * behind[-1])
    transmittance, _ = _transmittances(alphas)
    front = torch.zeros_like(background)
    for layer, (alpha, color) in enumerate(zip(alphas, colors, strict=True)):
        yield front + transmittance[layer] * behind[len(alphas) - 1 - layer]
        front = front + transmittance[layer] * alpha * color
