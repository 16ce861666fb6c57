"""Build: a layout folder becomes a scene of layered planes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.job import MAX_FRAME, Layout, UserError, check_choice
from .instances import build_instances
from .keyframes import TOLERANCE, key_planes
from .planes import Level, build_planes, make_meshes
from .stage import make_scene
from .storage import MADE, load_stamps, store_layout, wholly_or_not_at_all

MAX_PLANES = 50_000
"""Objects take 30 KB of memory and 0.1 ms each; Blender would stand still for minutes with a million."""

MAX_SAMPLES = 50_000_000
"""Instances take 100 bytes of memory for each primitive and frame."""

FORMS = ("AUTO", "PLANES", "DENSE")

STILL_PLANES, CLIP_PLANES = 2000, 1500
"""Up to how many primitives AUTO makes planes. In a clip each takes 20 us a frame: more would not play in real time."""

FEW_SAMPLES = 300_000
"""Primitives times frames, up to which AUTO makes planes: their keys take up to a kilobyte for each ten of it."""

MIN_SIDE = 4
"""Blender's own limit of a render's resolution, px."""


@dataclass(frozen=True)
class Form:
    """How a layout is built. form: PLANES = an object for each stamp, with F-curves where there are several frames;
    DENSE = one object that shows all of them as instances; AUTO = planes where they are few enough. tolerance: of the
    F-curves, px, see key_planes(). spread: of the layers, see transforms()."""

    form: str = "AUTO"
    tolerance: float = TOLERANCE
    spread: float = 0.0

    def __post_init__(self) -> None:
        check_choice("form", self.form, FORMS)

    def of(self, layout: Layout) -> str:
        """PLANES or DENSE."""
        if self.form != "AUTO":
            return self.form
        few = layout.count <= (STILL_PLANES if len(layout.frames) == 1 else CLIP_PLANES)
        return "PLANES" if few and layout.opacity.size <= FEW_SAMPLES else "DENSE"


def build_scene(folder: Path, name: str, samples: int, form: Form | None = None) -> bpy.types.Scene:
    """Builds the layout of a folder as a new scene. name: what the artist will call it.

    Raises UserError, with the file as it was, where the layout cannot be built or Cycles is disabled.
    """
    layout, form = Layout.load(folder), form or Form()
    check_layout(layout, f"The layout of {folder}", form)
    with wholly_or_not_at_all():
        stamps = load_stamps(layout.templates)
        collection = build_layout(layout, make_meshes(layout, folder), name, form)
    scene = make_scene(layout, f"DiffBMP {name}", samples, form.spread)
    scene.collection.children.link(collection)
    store_layout(layout, stamps, scene, form.spread)
    return scene


def build_layout(
    layout: Layout,
    meshes: dict[Level, bpy.types.Mesh],
    name: str,
    form: Form,
    own: Mapping[int, bpy.types.Mesh] | None = None,
) -> bpy.types.Collection:
    """A new collection that shows a layout, whose levels are these meshes. own: see build_planes.

    Raises UserError where instances would have to show meshes of their own.
    """
    dense = form.of(layout) == "DENSE"
    if dense and own:
        raise UserError(
            f"{len(own):,} planes have meshes of their own, as painted ones do, which instances cannot show: build "
            "planes"
        )
    collection = bpy.data.collections.new(name)
    collection[MADE] = True
    if dense:
        build_instances(layout, meshes, collection, form.spread)
        return collection
    rows = range(layout.count)
    planes = build_planes(layout, meshes, collection, rows, form.spread, own)
    if len(layout.frames) > 1:
        key_planes(layout, planes, rows, name, form.tolerance, form.spread)
    return collection


def check_layout(layout: Layout, what: str, form: Form) -> None:
    """Raises UserError, which calls the layout `what`, where Blender cannot bear or show it."""
    if form.of(layout) == "PLANES" and layout.count > MAX_PLANES:
        raise UserError(
            f"{what} has {layout.count:,} stamps, more than the {MAX_PLANES:,} planes that Blender can "
            "bear: build instances, or optimize fewer"
        )
    if layout.opacity.size > MAX_SAMPLES:
        raise UserError(
            f"{what} has {layout.count:,} stamps in {len(layout.frames):,} frames, more than the "
            f"{MAX_SAMPLES:,} in all that Blender can bear: optimize fewer, or a part of the frames"
        )
    if layout.frames[0] < 0 or layout.frames[-1] > MAX_FRAME:
        raise UserError(
            f"{what} lies in the frames {layout.frames[0]:,} to {layout.frames[-1]:,}, but Blender's "
            f"go from 0 to {MAX_FRAME:,}: fit it with another Place at Frame"
        )
    if min(layout.width, layout.height) < MIN_SIDE:
        raise UserError(
            f"{what} has a canvas of {layout.width} x {layout.height} pixels, but Blender renders at least "
            f"{MIN_SIDE} a side: optimize a larger size, or a target that is less narrow"
        )
    if not hasattr(bpy.context.scene, "cycles"):
        raise UserError("Cycles is disabled: enable the add-on Cycles Render Engine in the preferences")


def form_of(settings: bpy.types.PropertyGroup) -> Form:
    """What a DIFFBMP_PG_build asks for."""
    return Form(settings.form, settings.tolerance, settings.spread)
