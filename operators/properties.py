"""The user's settings, as Scene.diffbmp: one property group per concept."""

import bpy
from bpy.props import PointerProperty

from .masks.properties import DIFFBMP_PG_regions
from .output.animate import DIFFBMP_PG_animate
from .output.render_animation import DIFFBMP_PG_output
from .scene.properties import DIFFBMP_PG_build
from .settings.backend import DIFFBMP_PG_backend
from .settings.clip import DIFFBMP_PG_clip
from .settings.fit import DIFFBMP_PG_fit
from .settings.limits import DIFFBMP_PG_limits
from .settings.look import DIFFBMP_PG_look
from .stamps.properties import DIFFBMP_PG_stamps
from .target.properties import DIFFBMP_PG_target


class DIFFBMP_PG_scene(bpy.types.PropertyGroup):
    target: PointerProperty(type=DIFFBMP_PG_target)
    clip: PointerProperty(type=DIFFBMP_PG_clip)
    stamps: PointerProperty(type=DIFFBMP_PG_stamps)
    regions: PointerProperty(type=DIFFBMP_PG_regions)
    limits: PointerProperty(type=DIFFBMP_PG_limits)
    look: PointerProperty(type=DIFFBMP_PG_look)
    fit: PointerProperty(type=DIFFBMP_PG_fit)
    backend: PointerProperty(type=DIFFBMP_PG_backend)
    build: PointerProperty(type=DIFFBMP_PG_build)
    animate: PointerProperty(type=DIFFBMP_PG_animate)
    output: PointerProperty(type=DIFFBMP_PG_output)


def register() -> None:
    bpy.utils.register_class(DIFFBMP_PG_scene)
    bpy.types.Scene.diffbmp = PointerProperty(type=DIFFBMP_PG_scene)


def unregister() -> None:
    del bpy.types.Scene.diffbmp
    bpy.utils.unregister_class(DIFFBMP_PG_scene)
