"""Windows that show a scene."""

from __future__ import annotations

from typing import Any

import bpy

from .storage import KEY, LIVE


def show_scene(context: bpy.types.Context, scene: bpy.types.Scene) -> None:
    """Shows a scene in the context's window; a built one through its camera and with its materials.

    Back in another scene, the views are as before.
    """
    show_scene_in(context.window, scene)  # type: ignore[arg-type]


def show_scene_in(window: bpy.types.Window, scene: bpy.types.Scene) -> None:
    """Shows a scene in a window, as show_scene does."""
    leaves_own = not _is_ours(window.scene)
    window.scene = scene
    for area in window.screen.areas:
        if area.type == "VIEW_3D":
            _set_view(area.spaces.active, _is_ours(scene), leaves_own)


def _is_ours(scene: bpy.types.Scene) -> bool:
    return KEY in scene or LIVE in scene


_VIEWS: dict[int, tuple[Any, Any]] = {}
"""The earlier perspective and shading of the views that show a built scene."""


def _set_view(space: bpy.types.SpaceView3D, is_built: bool, leaves_own: bool) -> None:
    view, shading = space.region_3d, space.shading
    key = space.as_pointer()
    if is_built:
        if leaves_own:
            _VIEWS[key] = (view.view_perspective, shading.type)
        view.view_perspective, shading.type = "CAMERA", "MATERIAL"
        shading.use_scene_world = True
    elif key in _VIEWS:
        view.view_perspective, shading.type = _VIEWS.pop(key)
