"""The picture that layered files carry beside their layers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...native.arrays import ByteArray
from ...pictures.png import pixels_of
from ..base import Export


def background_color(task: Export) -> tuple[int, int, int] | None:
    """Returns the color of the background layer, 8 bits; None where there is none."""
    if task.transparent or not task.settings.background:
        return None
    red, green, blue = (round(255 * value) for value in task.layout.background)
    return red, green, blue


def merged_picture(task: Export, *, over_white: bool) -> ByteArray:
    """Composites all layers as other programs do, in display-encoded numbers: [h, w, 4].

    Without a background layer the picture is transparent. over_white: its colors are then not straight but lie over
    white, as readers of PSD expect.
    """
    width, height = task.size
    transparent = background_color(task) is None
    shown = replace(task, layout=replace(task.layout, space="display"))
    result: ByteArray = np.empty((height, width, 4), np.uint8)
    top = 0
    for strip in shown.strips(transparent=transparent, supersample=1):
        task.tell(0, height)
        if transparent and over_white:
            strip[:3] = strip[:3] * strip[3:] + (1 - strip[3:])
        rows = pixels_of(strip)
        result[top : top + len(rows)] = rows
        top += len(rows)
    return result
