"""Which frames of a moving target are fitted, and how the stamps move, as Scene.diffbmp.clip."""

import bpy

from ...backend.job import Clip
from .fields import Own, values_of, with_settings

_OWN: Own = {
    "start": {
        "description": "Set the first frame that is fitted: of a movie counted from 1, of a scene or an object the "
        "scene's own number; 0 = the first there is",
        "default": 0,
        "min": 0,
    },
    "fps": {"step": 100, "precision": 2},
    "still": {"precision": 3},
}


@with_settings("clip", _OWN)
class DIFFBMP_PG_clip(bpy.types.PropertyGroup):
    """All of it is settings."""


def clip_of(scene: bpy.types.Scene, start: int, end: int, fps: float) -> Clip:
    """What the scene asks for of a clip whose first frame that is fitted, last one (0 = its last) and rate are these.

    Raises UserError where it ends before it starts.
    """
    return Clip(**{**values_of(scene.diffbmp.clip, Clip, "clip"), "start": start, "end": end, "fps": fps})


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_clip,))
