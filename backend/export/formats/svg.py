"""SVG 1.1 with the stamps as embedded bitmaps, and a <use> of one for every primitive.

Format: W3C, Scalable Vector Graphics 1.1, second edition; names as Inkscape shows them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from io import TextIOBase
from xml.sax.saxutils import XMLGenerator

import numpy as np
from numpy.typing import NDArray

from ...job import LEVEL_PADDING, Layout, written_aside
from ...templates import Templates, padded
from ..base import Export, Exporter
from ..layers.bitmaps import png
from ..layers.merged import background_color
from ..layers.sheets import FrameSheets, Item
from ..layers.stack import Group, Node, Stack, shortened

_NAMESPACES = {
    "xmlns": "http://www.w3.org/2000/svg",
    "xmlns:xlink": "http://www.w3.org/1999/xlink",
    "xmlns:inkscape": "http://www.inkscape.org/namespaces/inkscape",
}
_IDENTITY = "1 0 0 0 0 0 1 0 0 0 0 0 1 0 0 0 0 0 1 0"

_MAX_ID = 64
"""Longest id, in characters: the beginning of longer ones is left out."""

FloatArray = NDArray[np.float64]


def export_svg(task: Export) -> None:
    """Writes a <use> per primitive, back to front, in groups; units are pixels of the canvas.

    Colors are display-encoded, as SVG composites them, also for a layout in linear light.
    """
    with written_aside(task.path) as aside, open(aside, "w", encoding="utf-8", newline="\n") as file:
        _Document(task, file).write()


class _Document:
    """One SVG, written from its beginning to its end."""

    def __init__(self, task: Export, file: TextIOBase) -> None:
        self._task = task
        self._xml = XMLGenerator(file, "utf-8", short_empty_elements=True)
        # Nothing limits an SVG's elements, so nothing is merged.
        self._nodes = Stack(replace(task, settings=replace(task.settings, flatten=False))).nodes
        sheets = FrameSheets(task, 0)
        keys = np.column_stack([sheets.placement.template, sheets.placement.level])
        self._stamps = [(number, level_u, level_v) for number, level_u, level_v in keys.tolist()]
        self._matrices = placing_matrices(task.layout, task.templates)
        self._colors = color_matrices(task.layout, task.templates)
        self._filters = {
            colors: f"color-{number}" for number, colors in enumerate(dict.fromkeys(self._colors)) if colors
        }
        self._groups = self._done = 0

    def write(self) -> None:
        layout = self._task.layout
        width, height = self._task.size
        # From the rounded height of the picture, so that both axes have the same scale.
        units = str(layout.width), _short(height * layout.width / width)
        attributes = {
            **_NAMESPACES,
            "version": "1.1",
            "width": str(width),
            "height": str(height),
            "viewBox": f"0 0 {units[0]} {units[1]}",
            "image-rendering": "optimizeQuality",
        }
        self._xml.startDocument()
        with self._element("svg", attributes):
            with self._element("defs"):
                self._define_stamps()
                for colors, name in self._filters.items():
                    self._define_filter(name, colors)
            color = background_color(self._task)
            if color is not None:
                fill = "#{:02x}{:02x}{:02x}".format(*color)
                names = {"id": "background", "inkscape:label": "Background"}
                self._empty("rect", {**names, "width": units[0], "height": units[1], "fill": fill})
            self._add(self._nodes)
        self._xml.endDocument()
        self._task.tell(layout.count, layout.count)

    def _define_stamps(self) -> None:
        """Defines each stamp on the mip levels that are used, as most programs scale down poorly.

        An <image> is in pixels of the stamp, whatever its level.
        """
        templates, names = self._task.templates, self._task.layout.templates
        for number, level_u, level_v in sorted(set(self._stamps)):
            bitmap = templates.bitmap(number, level_u, level_v)
            left, top, width, height = stamp_box(templates, number, level_u, level_v)
            data = base64.b64encode(png(padded(bitmap, LEVEL_PADDING))).decode()
            attributes = {
                "id": _stamp_id(number, level_u, level_v),
                "inkscape:label": shortened(names[number].name, ""),
                "x": _short(left),
                "y": _short(top),
                "width": _short(width),
                "height": _short(height),
                "preserveAspectRatio": "none",
                "xlink:href": f"data:image/png;base64,{data}",
            }
            self._empty("image", attributes)

    def _define_filter(self, name: str, colors: str) -> None:
        region = {"x": "0", "y": "0", "width": "1", "height": "1"}
        with self._element("filter", {"id": name, **region, "color-interpolation-filters": "sRGB"}):
            self._empty("feColorMatrix", {"type": "matrix", "values": colors})

    def _add(self, nodes: list[Node]) -> None:
        """Adds the nodes, which are front first, from the back."""
        for node in reversed(nodes):
            if isinstance(node, Group):
                self._groups += 1
                label = {"inkscape:label": node.name, "inkscape:groupmode": "layer"}
                with self._element("g", {"id": f"group-{self._groups}", **label}):
                    self._add(node.children)
            else:
                self._use(node)

    def _use(self, item: Item) -> None:
        layout, (index,) = self._task.layout, item.primitives
        self._task.tell(self._done, layout.count)
        self._done += 1
        matrix, opacity = self._matrices[index], float(layout.opacity[0, index])
        attributes = {
            "id": _identifier(item.name),
            "inkscape:label": item.name,
            "xlink:href": f"#{_stamp_id(*self._stamps[index])}",
            "transform": f"matrix({' '.join(_short(value) for value in matrix)})",
            "opacity": f"{opacity:.5g}",
        }
        if self._colors[index]:
            attributes["filter"] = f"url(#{self._filters[self._colors[index]]})"
        if opacity == 0.0 or not matrix.any():
            attributes["display"] = "none"
        self._empty("use", attributes)

    @contextmanager
    def _element(self, name: str, attributes: dict[str, str] | None = None) -> Iterator[None]:
        self._xml.startElement(name, attributes or {})  # type: ignore[arg-type]  # any mapping does
        self._xml.ignorableWhitespace("\n")
        yield
        self._xml.endElement(name)
        self._xml.ignorableWhitespace("\n")

    def _empty(self, name: str, attributes: dict[str, str]) -> None:
        self._xml.startElement(name, attributes)  # type: ignore[arg-type]
        self._xml.endElement(name)
        self._xml.ignorableWhitespace("\n")


def placing_matrices(layout: Layout, templates: Templates, frame: int = 0) -> FloatArray:
    """Returns SVG's matrices from pixels of the stamps, (0, 0) at the top left, to the canvas: a to f [N, 6].

    x' = a x + c y + e, y' = b x + d y + f. All zero where a primitive has no size.
    """
    sizes = np.array([(item.width, item.height) for item in templates.items], np.float64)[layout.template]
    x, y, scale, aspect, rotation = (
        getattr(layout, name)[frame].astype(np.float64) for name in ("x", "y", "scale", "aspect", "rotation")
    )
    drawn = (scale > 0) & (aspect > 0)
    root = np.sqrt(np.where(drawn, aspect, 1))
    unit = np.where(drawn, scale, 0) * 2 / sizes.max(1)  # px of the canvas for one of the stamp
    across, down = np.where(layout.mirror, -1, 1) * unit * root, unit / root
    a, b = across * np.cos(rotation), across * np.sin(rotation)
    c, d = -down * np.sin(rotation), down * np.cos(rotation)
    middle = sizes / 2
    e, f = x - a * middle[:, 0] - c * middle[:, 1], y - b * middle[:, 0] - d * middle[:, 1]
    return np.stack([a, b, c, d, e, f], 1) * drawn[:, None]


def color_matrices(layout: Layout, templates: Templates, frame: int = 0) -> list[str]:
    """Returns the feColorMatrix from the stamp's colors to each primitive's; "" where they stay the same."""
    modes = [(item.mode, item.blend if item.textured else 0.0) for item in templates.items]
    result = []
    for number, color in zip(layout.template.tolist(), layout.color[frame].tolist(), strict=True):
        mode, blend = modes[number]
        rows = []
        for channel, value in enumerate(color):
            row = ["0"] * 5
            row[channel] = f"{blend * value if mode == 'multiply' else blend:.5g}"
            row[4] = f"{(1 - blend) * value:.5g}"
            rows.append(" ".join(row))
        values = " ".join([*rows, "0 0 0 1 0"])
        result.append("" if values == _IDENTITY else values)
    return result


def stamp_box(templates: Templates, template: int, level_u: int, level_v: int) -> tuple[float, float, float, float]:
    """Returns left, top, width, height of a level's bitmap with its padding, in pixels of the stamp."""
    height, width = templates.items[template].height, templates.items[template].width
    level_width, level_height = templates.level_size(template, level_u, level_v)
    border_u, border_v = LEVEL_PADDING * width / level_width, LEVEL_PADDING * height / level_height
    return -border_u, -border_v, width + 2 * border_u, height + 2 * border_v


def _stamp_id(template: int, level_u: int, level_v: int) -> str:
    return f"stamp-{template}-{level_u}-{level_v}"


def _identifier(name: str) -> str:
    """Returns a valid XML id for a layer's name, which the number at its end makes unique."""
    text = re.sub(r"[^A-Za-z0-9]+", "_", name)[-_MAX_ID:]
    return text if text[0].isalpha() else f"_{text.lstrip('_')}"


def _short(value: float) -> str:
    """Formats a number to a thousandth of a pixel on the largest canvas, without trailing zeros."""
    return f"{value:.8g}"


EXPORTERS: dict[str, Exporter] = {".svg": export_svg}
