"""A folder with a PNG per layer and a JSON file, for scripts of After Effects, Blender or a game engine."""

from __future__ import annotations

import json
from typing import Any

from ...job import SCHEMA
from ..base import Export, Exporter
from ..layers.bitmaps import compressed, png
from ..layers.merged import background_color, merged_picture
from ..layers.sheets import Layer
from ..layers.stack import Group, Item, Node, Stack
from .layout_json import primitive, short


def export_folder(task: Export) -> None:
    """Writes layers/*.png, merged.png and layers.json: each layer's file, place, opacity, group, and transform.

    Lists are front first. Places and sizes are in pixels of the exported picture; a layer of one primitive also has
    that primitive's numbers, in pixels of the canvas (see the conventions of backend.job).
    """
    stack = Stack(task)
    items = stack.items
    digits = max(4, len(str(len(items))))
    folder, entries = task.path, dict[int, dict[str, Any]]()
    (folder / "layers").mkdir(parents=True)
    (folder / "merged.png").write_bytes(png(merged_picture(task, over_white=False)))
    for number, (layer, data) in enumerate(compressed(stack.render(items), task.settings.threads), 1):
        file = f"layers/{number:0{digits}d}.png"
        (folder / file).write_bytes(data)
        entries[id(layer.item)] = _entry(task, layer, file)
    width, height = task.size
    head = {
        "schema": SCHEMA,
        "width": width,
        "height": height,
        "scale": width / task.layout.width,
        "background": background_color(task),
        "fps": task.layout.fps,
        "frames": task.layout.frames,
        "resolution": task.settings.resolution,
    }
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in _listed(stack.nodes, entries))
    text = f'{json.dumps(head)[:-1]}, "layers": [\n{lines}\n]}}\n'
    (folder / "layers.json").write_text(text, encoding="utf-8")


def _entry(task: Export, layer: Layer, file: str) -> dict[str, Any]:
    height, width = layer.pixels.shape[:2]
    item = layer.item
    entry = {
        "name": item.name,
        "file": file,
        "left": layer.left,
        "top": layer.top,
        "width": width,
        "height": height,
        "opacity": short(layer.opacity / 255),
        "frame": task.layout.frames[item.frame],
        "primitives": list(item.primitives),
    }
    if len(item.primitives) == 1:
        entry["primitive"] = primitive(task.layout, item.primitives[0], item.frame)
    return entry


def _listed(
    nodes: list[Node], entries: dict[int, dict[str, Any]], groups: tuple[str, ...] = (), visible: bool = True
) -> list[dict[str, Any]]:
    result = []
    for node in nodes:
        if isinstance(node, Group):
            result += _listed(node.children, entries, (*groups, node.name), visible and node.visible)
        elif isinstance(node, Item):
            result.append({**entries[id(node)], "groups": list(groups), "visible": visible})
    return result


EXPORTERS: dict[str, Exporter] = {"": export_folder}
