"""The limits of all stamps, as Scene.diffbmp.limits. Pairs of limits keep their order by themselves."""

import math

import bpy
from bpy.props import BoolProperty

from .fields import Own, with_settings

_TURN = {"soft_min": -2 * math.pi, "soft_max": 2 * math.pi}
_OWN: Own = {
    "stretch": {"step": 10},
    "size_min": {"precision": 1},
    "size_max": {"precision": 1, "min": 0.1, "soft_max": 200.0},
    # The limits once rotation is not free; by default it is.
    "rotation_min": {"default": -math.pi / 4, **_TURN},
    "rotation_max": {"default": math.pi / 4, **_TURN},
    "opacity_max": {"min": 0.01},
}


@with_settings("limits", _OWN)
class DIFFBMP_PG_limits(bpy.types.PropertyGroup):
    free_rotation: BoolProperty(name="Free Rotation", description="Let stamps have any rotation", default=True)
    opaque: BoolProperty(name="Opaque Only", description="Keep all stamps fully opaque", default=False)


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_limits,))
