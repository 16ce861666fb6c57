"""The scene that shows a layout: camera, world and the render settings that make Cycles equal the engine."""

from __future__ import annotations

import math

import bpy

from ...backend.job import Layout
from ..blender.colors import to_space
from ..blender.frames import set_plain_render
from ..blender.versions import disable_texture_cache, set_still_image
from .materials import make_world
from .planes import camera_height, heights, longer_side
from .storage import MADE

DISTANCE = 10.0
"""Distance from the front layer to the camera."""

LAYERS = 1024
"""Most layers that a ray may pass in Cycles."""


def make_scene(layout: Layout, name: str, samples: int, spread: float = 0.0) -> bpy.types.Scene:
    """Makes an empty scene whose picture is the layout's canvas: resolution, camera, background, colors, no noise.

    samples: 1 equals the engine's native render, 16 and more its anti-aliased one. spread: see planes.transforms().
    """
    scene = bpy.data.scenes.new(name)
    red, green, blue = (float(c) for c in to_space(layout.background, layout.space))
    scene.world = make_world(name, (red, green, blue))
    set_camera(scene, layout, spread)
    _set_render(scene, layout)
    _set_cycles(scene, samples)
    scene.eevee.taa_render_samples = samples
    scene.render.filter_size = 0.0  # EEVEE's: a filter would blur
    return scene


def _own_camera(scene: bpy.types.Scene) -> bpy.types.Object:
    """Returns the camera that was made for a scene; a new one where that was removed."""
    found = (item for item in scene.collection.all_objects if item.type == "CAMERA" and MADE in item)
    camera = next(found, None)
    if camera is None:
        data = bpy.data.cameras.new(scene.name)
        data.passepartout_alpha = 0.95  # the canvas ends here, the stamps do not
        camera = bpy.data.objects.new(f"{scene.name} camera", data)
        camera[MADE] = True
        scene.collection.objects.link(camera)
    return camera


def set_camera(scene: bpy.types.Scene, layout: Layout, spread: float = 0.0) -> None:
    """Points the scene's own camera at the layout's canvas, in perspective where the layers lie apart.

    It becomes the active one unless the artist has chosen another.
    """
    camera = _own_camera(scene)
    scene.camera = scene.camera or camera
    data, height = camera.data, float(heights(layout).max(initial=0.0)) + DISTANCE
    if spread > 0:
        height = camera_height(layout, spread)
        data.type, data.sensor_fit = "PERSP", "AUTO"
        data.angle = 2.0 * math.atan(longer_side(layout) / 2.0 / height)
        data.clip_start = longer_side(layout) / 10
    else:
        data.type = "ORTHO"
        data.ortho_scale = longer_side(layout)
        data.clip_start = DISTANCE / 10
    data.clip_end = height + 1.0
    camera.location, camera.rotation_euler = (0.0, 0.0, height), (0.0, 0.0, 0.0)


def _set_render(scene: bpy.types.Scene, layout: Layout) -> None:
    render = scene.render
    set_plain_render(scene, "Standard" if layout.space == "linear" else "Raw")
    render.resolution_x, render.resolution_y = layout.width, layout.height
    render.pixel_aspect_x = render.pixel_aspect_y = 1.0
    render.fps, render.fps_base = max(1, round(layout.fps)), max(1, round(layout.fps)) / layout.fps
    scene.frame_start, scene.frame_end = layout.frames[0], layout.frames[-1]
    scene.frame_set(layout.frames[0])
    render.film_transparent = layout.transparent
    disable_texture_cache(render)
    set_still_image(render.image_settings, alpha=layout.transparent)


def _set_cycles(scene: bpy.types.Scene, samples: int) -> None:
    cycles = scene.cycles
    cycles.samples = samples
    cycles.use_adaptive_sampling = cycles.use_denoising = False
    cycles.max_bounces = 0
    # Equal, so that no ray ends at random.
    cycles.transparent_max_bounces = cycles.min_transparent_bounces = LAYERS
    cycles.pixel_filter_type = "BOX"  # the first sample lies on the pixel's center, the others fill the pixel
