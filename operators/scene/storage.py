"""The layout inside the .blend, as custom properties of the built scene: the source of truth for its planes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from ...backend.job import Layout, TemplateSpec, from_dict
from .materials import load_packed

KEY = "diffbmp_layout"

MADE = "diffbmp_made"
"""Custom property of collections and cameras that were made for a scene and may be removed with its result."""

SOURCE = "diffbmp_source"
"""Custom property of built scenes: the name of the scene whose settings they were built from."""

LIVE = "diffbmp_live"
"""Custom property of the scene that shows a running optimization: the scene that started it."""


def load_stamps(specs: list[TemplateSpec]) -> list[bpy.types.Image]:
    """Loads the stamps themselves as packed images. Raises UserError where a file is missing or no picture."""
    return [load_packed(Path(spec.file), spec.name, "sRGB") for spec in specs]


SPREAD = "diffbmp_spread"
"""Custom property of built scenes: see planes.transforms."""


def store_layout(layout: Layout, stamps: list[bpy.types.Image], scene: bpy.types.Scene, spread: float = 0.0) -> None:
    """Stores the layout in the scene, with its stamps."""
    scene[SPREAD] = spread
    values = {field.name: getattr(layout, field.name) for field in fields(layout)}
    values["templates"] = [{**asdict(spec), "file": ""} for spec in layout.templates]
    arrays = {name: value for name, value in values.items() if isinstance(value, np.ndarray)}
    scene[KEY] = {
        # Custom properties are flat and know no bool.
        **{name: (array.astype(np.int32) if array.dtype == bool else array).ravel() for name, array in arrays.items()},
        "shapes": json.dumps({name: array.shape for name, array in arrays.items()}),
        "settings": json.dumps({name: value for name, value in values.items() if name not in arrays}),
        "stamps": {str(index): image for index, image in enumerate(stamps)},
    }


def stored_layout(scene: bpy.types.Scene) -> Layout | None:
    """Returns the layout of a built scene, None for any other. A template's file is then the name of its image."""
    stored = scene.get(KEY)
    if stored is None:
        return None
    values: dict[str, Any] = json.loads(stored["settings"])
    values["background"] = tuple(values["background"])
    values["templates"] = [from_dict(TemplateSpec, spec, scene.name) for spec in values["templates"]]
    for index, spec in enumerate(values["templates"]):
        spec.file = stored["stamps"][str(index)].name
    for name, shape in json.loads(stored["shapes"]).items():
        values[name] = np.array(stored[name]).reshape(shape)
    return Layout(**values)


def _made() -> set[bpy.types.ID]:
    data = bpy.data
    kinds = (data.images, data.materials, data.meshes, data.objects, data.collections, data.actions, data.node_groups)
    return {item for kind in kinds for item in kind}


@contextmanager
def wholly_or_not_at_all() -> Iterator[None]:
    """Removes all datablocks that were made within where an exception ends it."""
    before = _made()
    try:
        yield
    except BaseException:
        bpy.data.batch_remove(_made() - before)
        raise
