"""An independent compositor that follows the conventions, in float64 numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
from diffbmp.backend.job.layout import Layout
from numpy.typing import NDArray

Array = NDArray[Any]
Level = tuple[int, int, int]


def composite(layout: Layout, bitmaps: dict[Level, Array], side: int = 1, frame: int = 0) -> Array:
    """Composites a layout: [H, W, 3] display-encoded. bitmaps: uint8 [h, w, 4] by template and levels.

    side x side: samples of a pixel. frame: its number from 0.
    """
    layout = layout.only([frame])
    rows, columns = np.mgrid[: layout.height * side, : layout.width * side]
    x, y = (columns + 0.5) / side, (rows + 0.5) / side
    image = np.empty((*x.shape, 3))
    image[:] = _to_space(np.array(layout.background), layout.space)
    for index in layout.order(0)[::-1].tolist():
        color, alpha = _sample(layout, bitmaps, index, x, y)
        image += alpha[..., None] * (color - image)
    image = image.reshape(layout.height, side, layout.width, side, 3).mean((1, 3))
    return _encode(image) if layout.space == "linear" else image


def composite_transparent(layout: Layout, bitmaps: dict[Level, Array]) -> Array:
    """Composites at the pixels' centers without the background: straight [H, W, 4], display-encoded."""
    rows, columns = np.mgrid[: layout.height, : layout.width] + 0.5
    image, alpha = np.zeros((*rows.shape, 3)), np.zeros((*rows.shape, 1))
    for index in reversed(range(layout.count)):
        color, cover = _sample(layout, bitmaps, index, columns, rows)
        image += cover[..., None] * (color - image)
        alpha += cover[..., None] * (1 - alpha)
    straight = image / np.maximum(alpha, 1e-9)
    return np.concatenate([_encode(straight) if layout.space == "linear" else straight, alpha], 2)


def _sample(layout: Layout, bitmaps: dict[Level, Array], index: int, x: Array, y: Array) -> tuple[Array, Array]:
    template = int(layout.template[index])
    stamp = layout.templates[template]
    scale, aspect, turn = (float(a[0, index]) for a in (layout.scale, layout.aspect, layout.rotation))
    dx, dy = x - float(layout.x[0, index]), y - float(layout.y[0, index])
    u = (np.cos(turn) * dx + np.sin(turn) * dy) / (scale * np.sqrt(aspect))
    v = (-np.sin(turn) * dx + np.cos(turn) * dy) / (scale / np.sqrt(aspect))
    if layout.mirror[index]:
        u = -u
    bitmap = bitmaps[template, int(layout.level[index, 0]), int(layout.level[index, 1])] / 255.0
    height, width = bitmap.shape[:2]
    longer = max(stamp.width, stamp.height)
    texture = _bilinear(
        bitmap, (u * longer / stamp.width + 1) / 2 * width, (v * longer / stamp.height + 1) / 2 * height
    )
    blend = 0.0 if stamp.mode == "tint" else stamp.blend
    color = _to_space(layout.color[0, index].astype(float), layout.space)
    shown = _to_space(texture[..., :3], layout.space)
    own = shown * color if stamp.mode == "multiply" else shown
    return (1 - blend) * color + blend * own, float(layout.opacity[0, index]) * texture[..., 3]


def _bilinear(bitmap: Array, column: Array, row: Array) -> Array:
    """Samples texels at continuous positions, with alpha zero outside."""
    padded = np.pad(bitmap, ((1, 1), (1, 1), (0, 0)), mode="edge")
    padded[[0, -1], :, 3] = 0
    padded[:, [0, -1], 3] = 0
    column = np.clip(column + 0.5, 0, padded.shape[1] - 1 - 1e-9)
    row = np.clip(row + 0.5, 0, padded.shape[0] - 1 - 1e-9)
    left, top = column.astype(int), row.astype(int)
    across, down = (column - left)[..., None], (row - top)[..., None]
    upper = padded[top, left] * (1 - across) + padded[top, left + 1] * across
    lower = padded[top + 1, left] * (1 - across) + padded[top + 1, left + 1] * across
    return upper * (1 - down) + lower * down


def _to_space(values: Array, space: str) -> Array:
    if space == "display":
        return values
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _encode(light: Array) -> Array:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055)


def psnr(first: Array, second: Array) -> float:
    return float(-10 * np.log10(np.mean((first - second) ** 2)))
