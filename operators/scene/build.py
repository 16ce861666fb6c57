"""Builds a scene from a layout folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import bpy

from ...backend.job import MAX_FRAME, Layout, UserError, check_choice
from .instances import build_instances
from .keyframes import TOLERANCE, key_planes
from .planes import Level, build_planes, check_meshes, make_meshes
from .stage import make_scene
from .storage import MADE, load_stamps, store_layout, wholly_or_not_at_all

MAX_PLANES = 50_000
"""Most planes of a layout. Each takes 30 KB of memory and 0.1 ms; a million would stop Blender for minutes."""

MAX_SAMPLES = 50_000_000
"""Most primitives times frames. As instances each takes 100 bytes of memory per frame."""

FORMS = ("AUTO", "PLANES", "DENSE")

STILL_PLANES, CLIP_PLANES = 2000, 1500
"""Most primitives that AUTO builds as planes. In a clip each takes 20 us a frame: more would not play in real time."""

FEW_SAMPLES = 300_000
"""Most primitives times frames that AUTO builds as planes: ten of them take up to a kilobyte of keys."""

MIN_SIDE = 4
"""Blender's least resolution of a render, px."""


@dataclass(frozen=True)
class Form:
    """How to build a layout.

    form: PLANES = an object per stamp, with F-curves for several frames; DENSE = one object with all as instances;
    AUTO = planes if they are few. tolerance: of the F-curves, px, see key_planes(). spread: see transforms().
    """

    form: str = "AUTO"
    tolerance: float = TOLERANCE
    spread: float = 0.0

    def __post_init__(self) -> None:
        check_choice("form", self.form, FORMS)

    def of(self, layout: Layout) -> str:
        """Returns PLANES or DENSE, whichever a layout gets."""
        if self.form != "AUTO":
            return self.form
        few = layout.count <= (STILL_PLANES if len(layout.frames) == 1 else CLIP_PLANES)
        return "PLANES" if few and layout.opacity.size <= FEW_SAMPLES else "DENSE"


def build_scene(folder: Path, name: str, samples: int, form: Form | None = None) -> bpy.types.Scene:
    """Builds the layout of a folder as a new scene. name: its name for the artist.

    Raises UserError, with the file unchanged, where the layout cannot be built or Cycles is disabled.
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
    """Builds a layout in a new collection. meshes: of its levels. own: see build_planes.

    Raises UserError where instances would have to show meshes of their own, or a mesh is missing.
    """
    check_meshes(layout, meshes, own or ())
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
    """Raises UserError where a layout is too large for Blender or cannot be shown. what: its name in the message."""
    if form.of(layout) == "PLANES" and layout.count > MAX_PLANES:
        raise UserError(
            f"{what} has {layout.count:,} stamps, more than the {MAX_PLANES:,} planes that Blender can "
            "hold: build instances, or optimize fewer"
        )
    if layout.opacity.size > MAX_SAMPLES:
        raise UserError(
            f"{what} has {layout.count:,} stamps in {len(layout.frames):,} frames, more than the "
            f"{MAX_SAMPLES:,} in all that Blender can hold: optimize fewer, or a part of the frames"
        )
    if layout.frames[0] < 0 or layout.frames[-1] > MAX_FRAME:
        raise UserError(
            f"{what} has the frames {layout.frames[0]:,} to {layout.frames[-1]:,}, but Blender's go from 0 to "
            f"{MAX_FRAME:,}: optimize with another Place at Frame"
        )
    if min(layout.width, layout.height) < MIN_SIDE:
        raise UserError(
            f"{what} has a canvas of {layout.width} x {layout.height} pixels, but Blender renders at least "
            f"{MIN_SIDE} a side: optimize a larger size, or a target that is less narrow"
        )
    if not hasattr(bpy.context.scene, "cycles"):
        raise UserError("Cycles is disabled: enable the add-on Cycles Render Engine in the preferences")


def form_of(settings: bpy.types.PropertyGroup) -> Form:
    """Returns the form that a DIFFBMP_PG_build asks for."""
    return Form(settings.form, settings.tolerance, settings.spread)
