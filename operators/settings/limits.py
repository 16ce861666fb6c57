"""What every stamp may do, as Scene.diffbmp.limits. Pairs of limits keep their order by themselves."""

import math
from collections.abc import Callable

import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty

from ...backend.job import MAX_COUNT, MAX_STRETCH, Limits, Settings

_DEFAULTS = Limits()

_USAGES = (
    ("free", "As Needed", "Each stamp is used wherever it fits best"),
    ("shares", "By Share", "Each stamp is used as often as its share says: equally often where all shares are 1"),
)

Update = Callable[[bpy.types.PropertyGroup, bpy.types.Context], None]


def _raise(upper: str, lower: str) -> Update:
    """Of a lower limit: lifts the upper one if that is less."""

    def update(group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
        if getattr(group, upper) < getattr(group, lower):
            setattr(group, upper, getattr(group, lower))

    return update


def _reduce(lower: str, upper: str) -> Update:
    """Of an upper limit: lets the lower one follow if that is greater."""

    def update(group: bpy.types.PropertyGroup, context: bpy.types.Context) -> None:
        if getattr(group, lower) > getattr(group, upper):
            setattr(group, lower, getattr(group, upper))

    return update


class DIFFBMP_PG_limits(bpy.types.PropertyGroup):
    stretch: FloatProperty(
        name="Stretch",
        description="How many times longer or wider than its own shape a stamp may become; 1 = it keeps its shape",
        default=_DEFAULTS.stretch,
        min=1.0,
        max=MAX_STRETCH,
        soft_max=5.0,
        step=10,
    )
    mirror: BoolProperty(name="Mirror", description="A stamp may be flipped left to right", default=_DEFAULTS.mirror)
    size_min: FloatProperty(
        name="Size Min",
        description="Longer side of a stamp at least, in percent of the canvas's longer side",
        subtype="PERCENTAGE",
        precision=1,
        default=100.0 * _DEFAULTS.size_range[0],
        min=0.0,
        max=200.0,
        soft_max=100.0,
        update=_raise("size_max", "size_min"),
    )
    size_max: FloatProperty(
        name="Max",
        description="Longer side of a stamp at most, in percent of the canvas's longer side",
        subtype="PERCENTAGE",
        precision=1,
        default=100.0 * _DEFAULTS.size_range[1],
        min=0.1,
        max=200.0,
        update=_reduce("size_min", "size_max"),
    )
    free_rotation: BoolProperty(name="Free Rotation", description="A stamp may lie in any direction", default=True)
    rotation_min: FloatProperty(
        name="Rotation Min",
        description="A stamp's rotation at least, in degrees, clockwise; 0 = upright as in its picture",
        subtype="ANGLE",
        default=-math.pi / 4,
        min=-2 * math.pi,
        max=2 * math.pi,
        update=_raise("rotation_max", "rotation_min"),
    )
    rotation_max: FloatProperty(
        name="Max",
        description="A stamp's rotation at most, in degrees, clockwise; 0 = upright as in its picture",
        subtype="ANGLE",
        default=math.pi / 4,
        min=-2 * math.pi,
        max=2 * math.pi,
        update=_reduce("rotation_min", "rotation_max"),
    )
    opaque: BoolProperty(name="Opaque Only", description="No stamp lets another shine through", default=False)
    opacity_min: FloatProperty(
        name="Opacity Min",
        description="A stamp's opacity at least: 0 = invisible, 1 = as opaque as its picture",
        subtype="FACTOR",
        default=_DEFAULTS.opacity_range[0],
        min=0.0,
        max=1.0,
        update=_raise("opacity_max", "opacity_min"),
    )
    opacity_max: FloatProperty(
        name="Max",
        description="A stamp's opacity at most: 0 = invisible, 1 = as opaque as its picture",
        subtype="FACTOR",
        default=_DEFAULTS.opacity_range[1],
        min=0.01,
        max=1.0,
        update=_reduce("opacity_min", "opacity_max"),
    )
    usage: EnumProperty(
        items=_USAGES, default=Settings().usage, name="Usage", description="How often each of the stamps is used"
    )
    most: IntProperty(
        name="Most of Each",
        description="How many times each stamp may be used at most; 0 = any number",
        default=_DEFAULTS.most,
        min=0,
        max=MAX_COUNT,
    )


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_limits,))
