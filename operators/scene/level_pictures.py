"""Pictures of the mip levels in a layout's folder as packed images."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
from numpy.typing import NDArray

from ...backend.job import Layout, LevelKey, LevelPlace, UserError, level_places
from .materials import LEVEL_SPACES, load_packed, new_packed


class LevelPictures:
    """The pictures of the levels that a layout shows. Each sheet is read once."""

    def __init__(self, layout: Layout, folder: Path) -> None:
        """folder: the layout's. Raises UserError where its list of places cannot be read."""
        numbers = zip(layout.template.tolist(), *layout.level.T.tolist(), strict=True)
        self._places: dict[LevelKey, LevelPlace] = level_places(folder, set(numbers))
        self._space = LEVEL_SPACES[layout.space]
        self._sheets: dict[Path, NDArray[np.uint8]] = {}

    def packed(self, key: LevelKey, name: str) -> bpy.types.Image:
        """Makes a packed image of a level. Raises UserError where its picture is missing or unreadable."""
        place = self._places[key]
        if place.cut is None:
            return load_packed(place.file, name, self._space)
        if place.file not in self._sheets:
            self._sheets[place.file] = _pixels(place.file)
        rgba = self._sheets[place.file][place.cut]
        if rgba.shape[:2] != (place.height, place.width):
            raise UserError(f"The layout's picture {place.file} is too small: optimize again")
        return new_packed(name, rgba, self._space)


def _pixels(path: Path) -> NDArray[np.uint8]:
    """Reads a sheet: [h, w, 4], the top row first."""
    image = load_packed(path, path.stem, LEVEL_SPACES["display"])
    try:
        width, height = image.size
        values = np.empty(width * height * 4, np.float32)
        image.pixels.foreach_get(values)
    finally:
        bpy.data.images.remove(image)
    return np.rint(values.reshape(height, width, 4)[::-1] * 255.0).astype(np.uint8)
