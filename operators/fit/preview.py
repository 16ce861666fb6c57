"""The picture of the running optimization: an icon in the panel, and an image for any Image Editor."""

from __future__ import annotations

from pathlib import Path

import bpy
import bpy.utils.previews
import numpy as np

from ..session.reports import Reports
from ..session.screen import editor

NAME = "DiffBMP Preview"
SIZE = 256
"""Maximum side of the icon, px."""


class Preview:
    """The picture of the latest preview file. It is not saved with the .blend file."""

    def __init__(self) -> None:
        self._icons: bpy.utils.previews.ImagePreviewCollection | None = None
        self._latest: tuple[str, int] = ("", 0)

    @property
    def icon(self) -> int:
        """The number of the icon, 0 while there is none."""
        return int(self._icons[NAME].icon_id) if self._icons is not None and NAME in self._icons else 0

    def show(self, path: str) -> None:
        """Shows the file at the path if it is new. path: "" = no file."""
        try:
            latest = (path, Path(path).stat().st_mtime_ns) if path else ("", 0)
        except OSError:  # it is just being replaced
            return
        if not path or latest == self._latest:
            return
        image = bpy.data.images.get(NAME)
        try:
            if image is None:
                image = bpy.data.images.load(path)
                image.name = NAME
            else:
                image.filepath = path
                image.reload()
        except RuntimeError:  # likewise
            return
        if 0 not in image.size:
            self._latest = latest
            self._draw(image)

    def _draw(self, image: bpy.types.Image) -> None:
        # Drawn from pixels: Blender keeps the first thumbnail of a file, even if the file changes.
        width, height = image.size
        pixels = np.empty((height, width, 4), np.float32)
        image.pixels.foreach_get(pixels.ravel())
        step = -(-max(width, height) // SIZE)
        small = pixels[::step, ::step]
        small[..., :3] *= small[..., 3:]  # icons are premultiplied
        height, width = small.shape[:2]
        square = np.zeros((max(height, width),) * 2 + (4,), np.float32)
        top, left = (len(square) - height) // 2, (len(square) - width) // 2
        square[top : top + height, left : left + width] = small
        if self._icons is None:
            self._icons = bpy.utils.previews.new()
        self._icons.clear()
        icon = self._icons.new(NAME)
        icon.image_size = icon.icon_size = (len(square),) * 2
        icon.image_pixels_float.foreach_set(square.ravel())
        icon.icon_pixels_float.foreach_set(square.ravel())

    def image(self) -> bpy.types.Image | None:
        """Returns the image datablock; None before the first preview."""
        return bpy.data.images.get(NAME)

    def clear(self) -> None:
        if self._icons is not None:
            bpy.utils.previews.remove(self._icons)
        self._icons, self._latest = None, ("", 0)


PREVIEW = Preview()


class DIFFBMP_OT_show_preview(Reports):
    bl_idname = "diffbmp.show_preview"
    bl_label = "Show Preview"
    bl_description = "Show the preview in an Image Editor, where it follows the optimization"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "" if PREVIEW.icon else "There is no preview yet"

    def execute(self, context: bpy.types.Context) -> set[str]:
        image = PREVIEW.image()
        if image is None:
            return {"CANCELLED"}
        editor(context, "IMAGE_EDITOR").image = image
        return {"FINISHED"}


register, _unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_show_preview,))


def unregister() -> None:
    PREVIEW.clear()
    _unregister()
