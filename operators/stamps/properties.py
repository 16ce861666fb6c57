"""The stamps, as Scene.diffbmp.stamps: a list that follows collections, with settings for each stamp."""

from collections.abc import Iterable

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from ...backend.job import MODES
from ..blender.studio import VIEWS
from ..settings.fields import Own, items_of, with_settings
from ..settings.limits import DIFFBMP_PG_limits
from .sources import WHOLE, Source, collection_sources, image_source, short_name

_COLORING: Own = {
    "mode": {"items": (*items_of(MODES), ("original", "Original Colors", "Use a stamp's own colors as they are"))},
    "blend": {"default": 0.5},
}
SPLITS = (
    ("LETTERS", "Letters", "Each letter is a stamp"),
    ("WORDS", "Words", "Each word is a stamp"),
    ("WHOLE", "Whole", "The text as a whole is a stamp"),
)
_TAKES = (
    ("AUTO", "Automatic", "Use the images of flat objects, and render all others"),
    ("IMAGES", "Images", "Use image textures only"),
    ("RENDER", "Objects", "Render every object"),
)
_ALPHAS = (
    ("KEEP", "Keep", "The image's own alpha; an image without one is a rectangle"),
    ("REMOVE", "Remove Background", "Make the color of the image's border transparent"),
)
_VIEWS = (
    ("AUTO", "Automatic", "Flat objects along their own normal, all others from the front"),
    *((name, name.title(), f"From the {name.lower()}") for name in VIEWS if name != "AUTO"),
)
_LIGHTS = (
    ("EVEN", "Even", "The same white light from everywhere"),
    ("SCENE", "Scene", "The lamps and the world of this scene"),
)


def _choose(group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    refresh(group)


def _add_picked(group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
    if group.pick is not None:
        add_sources(group, [image_source(group.pick)])
        group.pick = None


@with_settings("stamps.entries[]", {"share": {"step": 10}})
@with_settings("stamps", _COLORING)
class DIFFBMP_PG_stamp(bpy.types.PropertyGroup):
    """One of: an image, an object, a collection's objects together, a text. See sources.Source."""

    use: BoolProperty(name="Use", description="Use this stamp", default=True)
    image: PointerProperty(type=bpy.types.Image, name="Image")
    object: PointerProperty(type=bpy.types.Object, name="Object")
    collection: PointerProperty(type=bpy.types.Collection, name="Collection")
    font: PointerProperty(type=bpy.types.VectorFont, name="Font")
    text: StringProperty(name="Text")
    crop: FloatVectorProperty(
        name="Crop", description="Left, bottom, right and top of the used part of the image", size=4, default=WHOLE
    )
    by_hand: BoolProperty(description="Whether it was added by hand and not from a collection")
    group: PointerProperty(
        type=bpy.types.Collection,
        name="Belongs To",
        description="Regions that use this collection use the stamp; none = all regions without a collection",
    )
    alpha: EnumProperty(
        items=_ALPHAS, default="KEEP", name="Alpha", description="Choose which part of the image is transparent"
    )
    threshold: FloatProperty(
        name="Threshold",
        description="Set how much the background's color may vary: 0 = not at all",
        subtype="FACTOR",
        default=0.1,
        min=0.0,
        max=1.0,
    )
    view: EnumProperty(
        items=_VIEWS, default="AUTO", name="View", description="Choose the side that is seen of the object"
    )
    own: BoolProperty(
        name="Own Settings", description="Give the stamp a color mode and limits of its own", default=False
    )
    limits: PointerProperty(type=DIFFBMP_PG_limits)


@with_settings("stamps", _COLORING)
class DIFFBMP_PG_stamps(bpy.types.PropertyGroup):
    collection: PointerProperty(
        type=bpy.types.Collection,
        name="Collection",
        description="Use the objects of this collection as stamps: their images, or renders of them",
        update=_choose,
    )
    take: EnumProperty(
        items=_TAKES,
        default="AUTO",
        name="Take",
        description="Choose whether objects are rendered or their images used",
        update=_choose,
    )
    split: EnumProperty(
        items=SPLITS,
        default="LETTERS",
        name="Split Text",
        description="Choose which parts of a text are stamps",
        update=_choose,
    )
    entries: CollectionProperty(type=DIFFBMP_PG_stamp, name="Stamps", description="The stamps and their settings")
    active: IntProperty(name="Stamp", description="The stamp whose settings are shown", min=0)
    pick: PointerProperty(
        type=bpy.types.Image, name="Add Image", description="An image to add to the stamps", update=_add_picked
    )
    text: StringProperty(name="Text", description="A text whose letters or words are added to the stamps")
    font: PointerProperty(type=bpy.types.VectorFont, name="Font", description="The text's font; none = Blender's own")
    resolution: IntProperty(
        name="Resolution",
        description="Set the longer side of stamps that are rendered from objects and texts",
        subtype="PIXEL",
        default=256,
        min=8,
        max=4096,
    )
    lighting: EnumProperty(
        items=_LIGHTS,
        default="EVEN",
        name="Light",
        description="Choose what lights the objects that are rendered as stamps",
    )


def refresh(stamps: bpy.types.PropertyGroup) -> None:
    """Updates the list from the collections of the panel and the regions.

    New stamps are added, and lost ones removed. The others keep their settings, and those added by hand stay.
    """
    groups = _groups(stamps)
    found = {
        (group, source): None for group in groups for source in collection_sources(group, stamps.take, stamps.split)
    }
    for index in reversed(range(len(stamps.entries))):
        stamp = stamps.entries[index]
        key = (stamp.group, _source_of(stamp))
        if key in found:
            del found[key]
            stamp.name = key[1].name
        elif not stamp.by_hand:
            stamps.entries.remove(index)
    for group, source in found:
        _append(stamps, source).group = group
    stamps.active = min(stamps.active, max(0, len(stamps.entries) - 1))


def add_sources(stamps: bpy.types.PropertyGroup, sources: Iterable[Source]) -> int:
    """Adds sources as stamps by hand, except for those added before. Returns how many are new."""
    known = {_source_of(stamp) for stamp in stamps.entries if stamp.by_hand}
    new = [source for source in sources if source not in known]
    for source in new:
        _append(stamps, source).by_hand = True
    if new:
        stamps.active = len(stamps.entries) - 1
    return len(new)


def stamps_of(stamps: bpy.types.PropertyGroup, group: bpy.types.Collection | None) -> list[bpy.types.PropertyGroup]:
    """Returns the used stamps of a region's collection; None = the panel's, and those added by hand."""
    if group is not None:
        return [stamp for stamp in stamps.entries if stamp.use and stamp.group == group]
    return [
        stamp
        for stamp in stamps.entries
        if stamp.use and (stamp.group == stamps.collection or (stamp.by_hand and stamp.group is None))
    ]


def has_stamps(scene: bpy.types.Scene) -> bool:
    """Returns whether there are any stamps, or collections for them."""
    stamps = scene.diffbmp.stamps
    return bool(_groups(stamps)) or any(stamp.use for stamp in stamps.entries)


def _groups(stamps: bpy.types.PropertyGroup) -> list[bpy.types.Collection]:
    """The collections of the panel and the regions, each once."""
    regions = stamps.id_data.diffbmp.regions.entries
    return list(dict.fromkeys(group for group in (stamps.collection, *(r.stamps for r in regions)) if group))


def _append(stamps: bpy.types.PropertyGroup, source: Source) -> bpy.types.PropertyGroup:
    stamp = stamps.entries.add()
    stamp.name = source.name
    stamp.image, stamp.object, stamp.collection = source.image, source.object, source.collection
    stamp.font, stamp.text, stamp.crop = source.font, source.text, source.crop
    stamp.mode, stamp.blend = stamps.mode, stamps.blend
    return stamp


def _source_of(stamp: bpy.types.PropertyGroup) -> Source:
    left, bottom, right, top = (round(value, 5) for value in stamp.crop)
    return Source(
        _name_of(stamp), stamp.image, stamp.object, stamp.collection, stamp.font, stamp.text, (left, bottom, right, top)
    )


def _name_of(stamp: bpy.types.PropertyGroup) -> str:
    """The present name of its source: datablocks may have been renamed."""
    if stamp.text:
        return str(stamp.text)
    source = stamp.image or stamp.collection or stamp.object
    return short_name(source.name) if stamp.image else source.name if source else str(stamp.name)


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_stamp, DIFFBMP_PG_stamps))
