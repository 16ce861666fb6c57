"""The frames of a clip that are fitted, and how the stamps move, as Scene.diffbmp.clip."""

import bpy

from ...backend.job import Clip
from .fields import Own, values_of, with_settings

_OWN: Own = {
    "start": {
        "description": "Set the first frame to fit: in a movie counted from 1, otherwise a frame of the scene; "
        "0 = the first frame",
        "default": 0,
        "min": 0,
    },
    "scene_start": {"min": 0},  # Blender's scenes have no frames before 0; other programs do
    "fps": {"step": 100, "precision": 2},
    "still": {"precision": 3},
}


@with_settings("clip", _OWN)
class DIFFBMP_PG_clip(bpy.types.PropertyGroup):
    """Has the backend's settings only."""


def clip_of(scene: bpy.types.Scene, start: int, end: int, fps: float) -> Clip:
    """Returns the scene's clip. start, end: its first and last fitted frame, end 0 = the last there is. fps: its rate.

    Raises UserError where it ends before it starts.
    """
    return Clip(**{**values_of(scene.diffbmp.clip, Clip, "clip"), "start": start, "end": end, "fps": fps})


register, unregister = bpy.utils.register_classes_factory((DIFFBMP_PG_clip,))
