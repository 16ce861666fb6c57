"""The picture of the running optimization: as an icon of the panel, and as an image for any Image Editor."""

from __future__ import annotations

from pathlib import Path

import bpy
import bpy.utils.previews
import numpy as np

from ..session.reports import Reports

NAME = "DiffBMP Preview"
SIZE = 256
"""Longer side of the icon at most, px."""


class Preview:
    """What the latest preview file shows. Nothing of it is saved with the .blend."""

    def __init__(self) -> None:
        self._icons: bpy.utils.previews.ImagePreviewCollection | None = None
        self._latest: tuple[str, int] = ("", 0)

    @property
    def icon(self) -> int:
        """0 while there is none."""
        return int(self._icons[NAME].icon_id) if self._icons is not None and NAME in self._icons else 0

    def show(self, path: str) -> None:
        """Takes in the file at the path if it is new; "" = there is none."""
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
        # By its pixels: of a file that changes, Blender would show what it has seen of it before.
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
        """The image datablock; None before the first preview."""
        return bpy.data.images.get(NAME)

    def clear(self) -> None:
        if self._icons is not None:
            bpy.utils.previews.remove(self._icons)
        self._icons, self._latest = None, ("", 0)


PREVIEW = Preview()


class DIFFBMP_OT_show_preview(Reports):
    bl_idname = "diffbmp.show_preview"
    bl_label = "Show Preview"
    bl_description = "Show the optimization's picture in an Image Editor, where it changes as it is found"

    @classmethod
    def why_not(cls, context: bpy.types.Context) -> str:
        return "" if PREVIEW.icon else "There is no preview yet"

    def execute(self, context: bpy.types.Context) -> set[str]:
        image = PREVIEW.image()
        if image is None:
            return {"CANCELLED"}
        area = next((area for area in context.window.screen.areas if area.type == "IMAGE_EDITOR"), None)
        if area is None:
            bpy.ops.wm.window_new()
            area = context.window_manager.windows[-1].screen.areas[0]
            area.type = "IMAGE_EDITOR"
        area.spaces.active.image = image
        return {"FINISHED"}


register, _unregister = bpy.utils.register_classes_factory((DIFFBMP_OT_show_preview,))


def unregister() -> None:
    PREVIEW.clear()
    _unregister()
