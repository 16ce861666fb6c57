"""Settings of the canvas's mask and regions, as Scene.diffbmp.regions."""

import bpy
from bpy.props import BoolProperty, CollectionProperty, EnumProperty, IntProperty, PointerProperty, StringProperty

from ..settings.fields import with_settings
from ..settings.limits import DIFFBMP_PG_limits
from ..settings.look import DIFFBMP_PG_look

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


def _has_shape(source: bpy.types.PropertyGroup, item: bpy.types.Object) -> bool:
    return item.type not in {"ARMATURE", "CAMERA", "LATTICE", "LIGHT", "LIGHT_PROBE", "SPEAKER"}


def _is_camera(source: bpy.types.PropertyGroup, item: bpy.types.Object) -> bool:
    return item.type == "CAMERA"


class DIFFBMP_PG_mask_source(bpy.types.PropertyGroup):
    source: EnumProperty(items=_SOURCES, default="none", name="Mask", description="Choose what defines the inside")
    image: PointerProperty(
        type=bpy.types.Image,
        name="Image",
        description="Choose the picture that defines the inside. It is stretched to the canvas",
    )
    mask: PointerProperty(
        type=bpy.types.Mask,
        name="Mask",
        description="Choose the mask that defines the inside. Its coordinates span the canvas's longer side",
    )
    object: PointerProperty(
        type=bpy.types.Object,
        name="Object",
        description="Choose an object whose silhouette is the inside",
        poll=_has_shape,
    )
    collection: PointerProperty(
        type=bpy.types.Collection,
        name="Collection",
        description="Choose a collection whose silhouette is the inside",
    )
    camera: PointerProperty(
        type=bpy.types.Object,
        name="Camera",
        description="Choose the camera that sees the silhouette; none = the scene's",
        poll=_is_camera,
    )
    invert: BoolProperty(name="Invert", description="Exchange inside and outside", default=False)


@with_settings("regions.entries[]")
class DIFFBMP_PG_region(bpy.types.PropertyGroup):
    name: StringProperty(name="Name", description="Name the region", default="Region")
    use: BoolProperty(name="Use", description="Place stamps in this region", default=True)
    area: PointerProperty(type=DIFFBMP_PG_mask_source)
    stamps: PointerProperty(
        type=bpy.types.Collection,
        name="Stamps",
        description="Choose the stamps of this region; none = those of the panel's list",
    )
    own_limits: BoolProperty(
        name="Own Limits", description="Give the stamps of this region limits of their own", default=False
    )
    limits: PointerProperty(type=DIFFBMP_PG_limits)
    own_look: BoolProperty(name="Own Look", description="Give this region a look of its own", default=False)
    look: PointerProperty(type=DIFFBMP_PG_look)


class DIFFBMP_PG_regions(bpy.types.PropertyGroup):
    overall: PointerProperty(type=DIFFBMP_PG_mask_source)
    entries: CollectionProperty(
        type=DIFFBMP_PG_region, name="Regions", description="Parts of the canvas with stamps of their own"
    )
    active: IntProperty(name="Active Region", description="The region whose settings are shown", default=0, min=0)


def active_region(scene: bpy.types.Scene) -> bpy.types.PropertyGroup | None:
    """Returns the region whose settings are shown, None if there is none."""
    regions = scene.diffbmp.regions
    return regions.entries[regions.active] if regions.active < len(regions.entries) else None


register, unregister = bpy.utils.register_classes_factory(
    (DIFFBMP_PG_mask_source, DIFFBMP_PG_region, DIFFBMP_PG_regions)
)
