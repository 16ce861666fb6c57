# mypy: disable-error-code="valid-type"
"""The canvas's mask and its regions, as Scene.diffbmp.regions, the buttons of their list, and their way to the job."""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ..backend.job import UserError
from .folders import file_name
from .footage import Footage
from .images import ByteArray, write_grey
from .limits import DIFFBMP_PG_limits
from .look import DIFFBMP_PG_look
from .masks import source_pixels
from .moving_masks import needs_pictures, write_moving_mask
from .session import EditsLists

_SOURCES = (
    ("none", "Everything", "The whole canvas", "SELECT_SET", 0),
    (
        "image",
        "Image",
        "A picture: inside where it is white, outside where it is black or transparent",
        "IMAGE_DATA",
        1,
    ),
    ("alpha", "Alpha", "The opacity of a picture, or of the target", "IMAGE_ALPHA", 2),
    ("mask", "Mask", "A mask that was drawn in the Image Editor or the Clip Editor", "MOD_MASK", 3),
    ("object", "Object", "The silhouette of an object, as a camera sees it", "OBJECT_DATA", 4),
    (
        "collection",
        "Collection",
        "The silhouette of a collection's objects, as a camera sees it",
        "OUTLINER_COLLECTION",
        5,
    ),
)
_DIRECTIONS = (
    ("up", "Up", "To the front"),
    ("down", "Down", "To the back"),
)


def _has_shape(source: bpy.types.PropertyGroup, item: bpy.types.Object) -> bool:
    return item.type not in {"ARMATURE", "CAMERA", "LATTICE", "LIGHT", "LIGHT_PROBE", "SPEAKER"}


def _is_camera(source: bpy.types.PropertyGroup, item: bpy.types.Object) -> bool:
    return item.type == "CAMERA"


class DIFFBMP_PG_mask_source(bpy.types.PropertyGroup):
    source: EnumProperty(items=_SOURCES, default="none", name="Mask", description="What says what is inside")
    image: PointerProperty(
        type=bpy.types.Image,
        name="Image",
        description="The picture that says what is inside. It is stretched to the canvas",
    )
    mask: PointerProperty(
        type=bpy.types.Mask,
        name="Mask",
        description="The mask that says what is inside. Its coordinates span the canvas's longer side",
    )
    object: PointerProperty(
        type=bpy.types.Object, name="Object", description="What lies behind its silhouette is inside", poll=_has_shape
    )
    collection: PointerProperty(
        type=bpy.types.Collection, name="Collection", description="What lies behind its objects' silhouette is inside"
    )
    camera: PointerProperty(
        type=bpy.types.Object,
        name="Camera",
        description="The camera that sees the silhouette; none = the scene's",
        poll=_is_camera,
    )
    invert: BoolProperty(name="Invert", description="Exchange inside and outside", default=False)


class DIFFBMP_PG_region(bpy.types.PropertyGroup):
    name: StringProperty(name="Name", description="What the region is called", default="Region")
    use: BoolProperty(name="Use", description="Place stamps in this region", default=True)
    area: PointerProperty(type=DIFFBMP_PG_mask_source)
    stamps: PointerProperty(
        type=bpy.types.Collection,
        name="Stamps",
        description="The stamps of this region; none = those of the panel's list",
    )
    share: FloatProperty(
        name="Share",
        description="How many of the stamps lie here, relative to the other regions; 0 = by its area",
        default=0.0,
        min=0.0,
        max=1e6,
        soft_max=10.0,
    )
    own_limits: BoolProperty(
        name="Own Limits", description="Stamps of this region have limits of their own", default=False
    )
    limits: PointerProperty(type=DIFFBMP_PG_limits)
    own_look: BoolProperty(name="Own Look", description="This region has a look of its own", default=False)
    look: PointerProperty(type=DIFFBMP_PG_look)


class DIFFBMP_PG_regions(bpy.types.PropertyGroup):
    overall: PointerProperty(type=DIFFBMP_PG_mask_source)
    entries: CollectionProperty(
        type=DIFFBMP_PG_region, name="Regions", description="Parts of the canvas with stamps of their own"
    )
    active: IntProperty(name="Active Region", description="The region whose settings are shown", default=0, min=0)


@dataclass(frozen=True)
class RegionMask:
    """A region of a job. file: its mask, relative to the job's folder."""

    name: str
    file: str
    region: bpy.types.PropertyGroup  # the DIFFBMP_PG_region: valid until the list of regions is changed


def active_region(scene: bpy.types.Scene) -> bpy.types.PropertyGroup | None:
    """The region whose settings are shown, None if there is none."""
    regions = scene.diffbmp.regions
    return regions.entries[regions.active] if regions.active < len(regions.entries) else None


def region_steps(
    scene: bpy.types.Scene, folder: Path, width: int, height: int, target: ByteArray | Footage
) -> Generator[str, None, tuple[str, list[RegionMask]]]:
    """Writes, a step each, the masks of the canvas and of the used regions as grey PNGs into the job's folder.

    width, height: of the canvas, px. target: [h, w, 4], for its alpha, or one that moves: then masks may be folders of
    pictures, or movies. Returns the file of the canvas's mask ("" = the whole canvas) and the regions, the front one
    first.

    Raises UserError, which names the region and what is missing, and OSError where the folder cannot be written to.
    """

    def write(source: bpy.types.PropertyGroup, name: str, what: str) -> str:
        try:
            if isinstance(target, Footage):
                return write_moving_mask(source, scene, folder, name, (width, height), target)
            return _write_mask(folder, name, source_pixels(source, scene, width, height, target))
        except UserError as error:
            raise UserError(f"{what}: {error.message[:1].lower()}{error.message[1:]}") from error

    regions = scene.diffbmp.regions
    overall = ""
    if regions.overall.source != "none":
        overall = write(regions.overall, "canvas", "The mask of the canvas")
    written = []
    for number, region in enumerate(region for region in regions.entries if region.use):
        yield f"Reading the region {region.name}"
        file = write(region.area, f"{number:03d}_{file_name(region.name)}", f"The region {region.name}")
        written.append(RegionMask(region.name, file, region))
    return overall, written


def need_pictures(scene: bpy.types.Scene) -> bool:
    """Whether a mask of a scene is the alpha of its target."""
    regions = scene.diffbmp.regions
    areas = (region.area for region in regions.entries if region.use)
    return any(needs_pictures(source) for source in (regions.overall, *areas))


def _write_mask(folder: Path, name: str, grey: ByteArray) -> str:
    (folder / "masks").mkdir(exist_ok=True)
    write_grey(folder / "masks" / f"{name}.png", grey)
    return f"masks/{name}.png"


class DIFFBMP_OT_add_region(EditsLists, bpy.types.Operator):
    bl_idname = "diffbmp.add_region"
    bl_label = "Add Region"
    bl_description = "Add a part of the canvas with stamps of its own, behind the others"
    bl_options = {"UNDO"}  # noqa: RUF012  Blender's own form

    def execute(self, context: bpy.types.Context) -> set[str]:
        regions = context.scene.diffbmp.regions
        taken = {region.name for region in regions.entries}
        number = next(n for n in range(1, len(taken) + 2) if f"Region {n}" not in taken)
        region = regions.entries.add()
        region.name = f"Region {number}"
        region.area.source = "mask"
        regions.active = len(regions.entries) - 1
        return {"FINISHED"}


class DIFFBMP_OT_remove_region(EditsLists, bpy.types.Operator):
    bl_idname = "diffbmp.remove_region"
    bl_label = "Remove Region"
    bl_description = "Remove the chosen region from the list"
    bl_options = {"UNDO"}  # noqa: RUF012  Blender's own form

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        has_none = active_region(context.scene) is None
        if has_none:
            cls.poll_message_set("There is no region to remove")
        return not has_none

    def execute(self, context: bpy.types.Context) -> set[str]:
        regions = context.scene.diffbmp.regions
        regions.entries.remove(regions.active)
        regions.active = max(0, min(regions.active, len(regions.entries) - 1))
        return {"FINISHED"}


class DIFFBMP_OT_move_region(EditsLists, bpy.types.Operator):
    bl_idname = "diffbmp.move_region"
    bl_label = "Move Region"
    bl_description = "Move the chosen region in the list, whose first lies in front of the others"
    bl_options = {"UNDO"}  # noqa: RUF012  Blender's own form

    direction: EnumProperty(items=_DIRECTIONS, default="up", name="Direction", description="Where to")

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if not super().poll(context):
            return False
        has_others = len(context.scene.diffbmp.regions.entries) > 1 and active_region(context.scene) is not None
        if not has_others:
            cls.poll_message_set("There are no two regions to put in order")
        return has_others

    def execute(self, context: bpy.types.Context) -> set[str]:
        regions = context.scene.diffbmp.regions
        place = regions.active + (-1 if self.direction == "up" else 1)
        if not 0 <= place < len(regions.entries):
            self.report({"INFO"}, f"The region is the {'first' if place < 0 else 'last'} already")
            return {"CANCELLED"}
        regions.entries.move(regions.active, place)
        regions.active = place
        return {"FINISHED"}


_CLASSES = (
    DIFFBMP_PG_mask_source,
    DIFFBMP_PG_region,
    DIFFBMP_PG_regions,
    DIFFBMP_OT_add_region,
    DIFFBMP_OT_remove_region,
    DIFFBMP_OT_move_region,
)


def register() -> None:
    for item in _CLASSES:
        bpy.utils.register_class(item)


def unregister() -> None:
    for item in reversed(_CLASSES):
        bpy.utils.unregister_class(item)
