"""Layout folders like the backend's, with random primitives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from diffbmp.backend.job import SCHEMA, TemplateSpec, write_json
from diffbmp.backend.job.layout import LEVEL_PADDING, Layout, level_file
from diffbmp.operators.blender.images import write_png
from numpy.typing import NDArray

Array = NDArray[Any]
Level = tuple[int, int, int]

STAMPS = (("leaf", 40, 24), ("petal", 24, 24), ("stroke", 16, 48))
"""Names and sizes of the stamps, texels."""


def stamp(width: int, height: int, generator: np.random.Generator) -> Array:
    """Draws a soft-edged, colored blob: uint8 [h, w, 4]."""
    y, x = np.mgrid[:height, :width]
    inside = 1.0 - ((2 * x + 1) / width - 1) ** 2 - ((2 * y + 1) / height - 1) ** 2
    rgba = np.empty((height, width, 4))
    rgba[..., :3] = generator.uniform(0.2, 0.8, 3) + 0.2 * np.sin(np.stack([x, y, x + y], 2) / 3)
    rgba[..., 3] = np.clip(2 * inside, 0, 1)
    # Something at the very edge, which is cut without padding.
    rgba[height // 3 : height // 2, :, 3] = 1.0
    return np.rint(rgba.clip(0, 1) * 255).astype(np.uint8)


def random_layout(
    count: int,
    *,
    space: str = "display",
    mode: str = "tint",
    blend: float = 0.6,
    width: int = 160,
    height: int = 120,
    seed: int = 1,
    transparent: bool = False,
) -> tuple[Layout, dict[Level, Array]]:
    """Returns a layout and its levels' bitmaps without padding. Some levels differ along u and v, as if stretched."""
    generator = np.random.default_rng(seed)
    specs, bitmaps = [], {}
    for index, (name, w, h) in enumerate(STAMPS):
        specs.append(TemplateSpec(f"templates/{index:03d}_{name}.png", name, mode, blend, w, h))
        for u, v, size in ((0, 0, (w, h)), (2, 0, (w // 2, h)), (1, 2, (round(w / 2**0.5), h // 2))):
            bitmaps[index, u, v] = stamp(*size, generator)
    keys = np.array(sorted(bitmaps))[generator.integers(0, len(bitmaps), count)]
    draw = generator.uniform
    layout = Layout(
        x=draw(0, width, (1, count)),
        y=draw(0, height, (1, count)),
        scale=draw(5, 30, (1, count)),
        aspect=draw(0.5, 2, (1, count)),
        rotation=draw(-4, 4, (1, count)),
        opacity=draw(0.2, 1, (1, count)),
        color=draw(0, 1, (1, count, 3)),
        template=keys[:, 0],
        level=keys[:, 1:],
        region=np.zeros(count),
        mirror=generator.random(count) < 0.5,
        locked=np.zeros(count, bool),
        width=width,
        height=height,
        templates=specs,
        space=space,
        background=(0.9, 0.6, 0.3),
        transparent=transparent,
    )
    return layout, bitmaps


def write_layout(folder: Path, layout: Layout, bitmaps: dict[Level, Array], *, on_sheets: bool = False) -> None:
    """Writes a layout's folder as the backend does, or as its earlier versions did, with a file for each level."""
    (folder / "templates").mkdir(parents=True)
    (folder / "levels").mkdir()
    for index, spec in enumerate(layout.templates):
        write_png(folder / spec.file, bitmaps[index, 0, 0])
    pictures = {key: _padded(bitmap) for key, bitmap in bitmaps.items()}
    if on_sheets:
        _write_sheets(folder / "levels", pictures)
    else:
        for key, picture in pictures.items():
            write_png(folder / level_file(*key), picture)
    layout.save(folder)


def _padded(bitmap: Array) -> Array:
    padding = ((LEVEL_PADDING, LEVEL_PADDING), (LEVEL_PADDING, LEVEL_PADDING), (0, 0))
    padded = np.pad(bitmap, padding, mode="edge")
    padded[..., 3] = np.pad(bitmap[..., 3], padding[:2])
    return padded


def _write_sheets(folder: Path, pictures: dict[Level, Array]) -> None:
    """Writes two sheets, with the pictures below one another."""
    for number in (0, 1):
        own = list(pictures.items())[number::2]
        sheet = np.zeros((sum(len(p) for _, p in own), max(p.shape[1] for _, p in own), 4), np.uint8)
        levels, top = [], 0
        for key, picture in own:
            height, width = picture.shape[:2]
            sheet[top : top + height, :width] = picture
            levels.append([*key, 0, top, width, height])
            top += height
        write_png(folder / f"{number:03d}.png", sheet)
        write_json(folder / f"{number:03d}.json", {"schema": SCHEMA, "levels": levels})
