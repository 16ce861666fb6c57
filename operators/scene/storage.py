"""The layout inside the .blend, as custom properties of the built scene: the source of truth for its planes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from idprop.types import IDPropertyArray, IDPropertyGroup

from ...backend.job import BOUNDS, Array, Layout, TemplateSpec, UserError, quoted
from .materials import load_packed

KEY = "diffbmp_layout"

# Any: the types' stubs say that their methods return None.
GROUP: Any = IDPropertyGroup
ARRAY: Any = IDPropertyArray
"""Classes of custom properties that hold others, and that are numbers of one kind."""

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

_MOST_SPREAD = 1e3
_FLATTEST = 1e12


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
    """Returns the layout of a built scene, None for any other. A template's file is then the name of its image.

    The .blend may come from anywhere. Raises UserError for a layout that is damaged.
    """
    if KEY not in scene:
        return None
    try:
        return _read(scene[KEY])
    except UserError as error:
        raise UserError(
            f"The layout stored in the scene {quoted(scene.name)} is damaged ({error.message}): build it again from "
            "its folder"
        ) from error


def stored_count(scene: bpy.types.Scene) -> int:
    """Returns the number of primitives of a built scene's layout, 0 where it is damaged."""
    stored = scene.get(KEY)
    template = stored.get("template") if isinstance(stored, GROUP) else None
    return len(template) if isinstance(template, ARRAY) else 0


def stored_stamps(scene: bpy.types.Scene) -> list[bpy.types.Image]:
    """Returns the stamps of a built scene, as images: all of them unless the layout is damaged."""
    stored = scene.get(KEY)
    stamps = stored.get("stamps") if isinstance(stored, GROUP) else None
    if not isinstance(stamps, GROUP):
        return []
    images = (stamps.get(str(index)) for index in range(len(stamps)))
    return [image for image in images if isinstance(image, bpy.types.Image)]


def stored_spread(scene: bpy.types.Scene) -> float:
    """Returns the distance between the layers of a built scene: see planes.transforms."""
    spread = scene.get(SPREAD, 0.0)
    if not isinstance(spread, int | float) or not math.isfinite(spread):
        return 0.0
    return min(max(float(spread), 0.0), _MOST_SPREAD)


def stored_scene(scene: bpy.types.Scene, key: str) -> bpy.types.Scene | None:
    """Returns the scene that a scene's custom property is, or names; None where it is anything else, or gone."""
    value = scene.get(key)
    if isinstance(value, str):
        return bpy.data.scenes.get(value)
    return value if isinstance(value, bpy.types.Scene) else None


def _read(stored: Any) -> Layout:
    if not isinstance(stored, GROUP):
        raise UserError("it is no group of properties")
    facts, shapes = _object(stored, "settings"), _object(stored, "shapes")
    if facts.get("depth", 0) is None:
        del facts["depth"]
    arrays = {name: _array(stored, name, shape) for name, shape in shapes.items()}
    if "aspect" in arrays:
        arrays["aspect"] = _bounded(arrays["aspect"])
    layout = Layout.checked(facts, arrays, "settings")
    stamps = stored.get("stamps")
    names = [str(index) for index in range(len(layout.templates))]
    if not isinstance(stamps, GROUP) or set(stamps.keys()) != set(names):
        raise UserError("its stamps are not those of its primitives")
    for name, spec in zip(names, layout.templates, strict=True):
        if not isinstance(stamps[name], bpy.types.Image):
            raise UserError(f"the image of the stamp {quoted(spec.name)} is missing")
        spec.file = stamps[name].name
    return layout


def _object(stored: Any, name: str) -> dict[str, Any]:
    """Reads a JSON object among the stored values."""
    text = stored.get(name)
    try:
        value = json.loads(text) if isinstance(text, str) else None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UserError(f"its {name} cannot be read")
    return value


def _array(stored: Any, name: str, shape: Any) -> Array:
    """Reads an array among the stored values, in the shape that its JSON says."""
    value = stored.get(name)
    if not isinstance(value, (ARRAY, list)) or not isinstance(shape, list):
        raise UserError(f"its {quoted(name)} is not an array")
    fits = all(type(side) is int and side >= 0 for side in shape) and len(shape) <= 3 and math.prod(shape) == len(value)
    if not fits:
        raise UserError(f"its {quoted(name)} has another size than the shape {quoted(shape)}")
    if isinstance(value, list) and value:  # an array without items comes back as a list
        raise UserError(f"its {quoted(name)} is not an array of numbers")
    return np.array(value).reshape(shape)


def _bounded(aspect: Array) -> Array:
    """Bounds aspects that earlier versions stored of planes that had been scaled flat by hand."""
    by_hand = (aspect > 1.0 / _FLATTEST) & (aspect < _FLATTEST)
    return np.where(by_hand, aspect.clip(*BOUNDS["aspect"]), aspect)


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
