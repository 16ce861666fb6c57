"""OpenRaster, the layered format of Krita, MyPaint and GIMP.

Format: OpenRaster 0.0.6 (openraster.org).
"""

from __future__ import annotations

import zipfile
from xml.etree import ElementTree as Xml

import numpy as np

from ...job import written_aside
from ...native.arrays import ByteArray
from ...pictures.scaling import resized
from ..base import Export, Exporter
from ..layers.bitmaps import compressed, png
from ..layers.merged import background_color, merged_picture
from ..layers.stack import Group, Item, Node, Stack

THUMBNAIL = 256
"""Greatest longer side of the thumbnail, px, as the format asks for."""


def export_ora(task: Export) -> None:
    """Writes a layer per primitive, in groups, over a background layer; with the merged picture and a thumbnail."""
    stack = Stack(task)
    items = stack.items
    files = {id(item): f"data/{number:05d}.png" for number, item in enumerate(items)}
    places = {}
    picture = merged_picture(task, over_white=False)
    with written_aside(task.path) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("mimetype", "image/openraster")
        for layer, data in compressed(stack.render(items), task.settings.threads):
            places[id(layer.item)] = layer.left, layer.top, layer.opacity
            archive.writestr(files[id(layer.item)], data)
        width, height = task.size
        per_inch = str(round(task.settings.resolution))
        image = Xml.Element("image", version="0.0.6", w=str(width), h=str(height), xres=per_inch, yres=per_inch)
        root = Xml.SubElement(image, "stack")
        _add(root, stack.nodes, files, places)
        color = background_color(task)
        if color is not None:
            plane = np.full((height, width, 3), color, np.uint8)
            archive.writestr("data/background.png", png(plane))
            Xml.SubElement(root, "layer", _attributes("Background", 0, 0), src="data/background.png")
        archive.writestr("mergedimage.png", png(picture if color is None else picture[..., :3]))
        archive.writestr("Thumbnails/thumbnail.png", _thumbnail(picture))
        archive.writestr("stack.xml", Xml.tostring(image, encoding="UTF-8", xml_declaration=True))


def _add(
    parent: Xml.Element,
    nodes: list[Node],
    files: dict[int, str],  # by the item's identity, as are the places
    places: dict[int, tuple[int, int, int]],  # left, top, opacity
) -> None:
    """Adds the nodes to the parent, front first as in the format."""
    for node in nodes:
        if isinstance(node, Group):
            # With all attributes: without them Krita shows an empty group.
            group = Xml.SubElement(parent, "stack", _attributes(node.name, 0, 0, node.visible))
            _add(group, node.children, files, places)
        elif isinstance(node, Item):
            left, top, opacity = places[id(node)]
            attributes = {**_attributes(node.name, left, top), "opacity": f"{opacity / 255:.6f}"}
            Xml.SubElement(parent, "layer", attributes, src=files[id(node)])


def _attributes(name: str, x: int, y: int, visible: bool = True) -> dict[str, str]:
    return {
        "name": name,
        "x": str(x),
        "y": str(y),
        "opacity": "1.0",
        "visibility": "visible" if visible else "hidden",
        "composite-op": "svg:src-over",
    }


def _thumbnail(picture: ByteArray) -> bytes:
    height, width = picture.shape[:2]
    factor = min(1.0, THUMBNAIL / max(height, width))
    size = max(1, round(height * factor)), max(1, round(width * factor))
    return png(resized([picture], (height, width), size, 4))


EXPORTERS: dict[str, Exporter] = {".ora": export_ora}
