"""A scene as a target, and the settings that rendering it must not change."""

from __future__ import annotations

import bpy


def emission(name: str, color: tuple[float, float, float]) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    shader = tree.nodes.new("ShaderNodeEmission")
    shader.inputs["Color"].default_value = (*color, 1.0)
    output = tree.nodes.new("ShaderNodeOutputMaterial")
    tree.links.new(shader.outputs[0], output.inputs["Surface"])
    return material


def rectangle(name: str, left: float, right: float, color: tuple[float, float, float]) -> bpy.types.Object:
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata([(left, -1, 0), (right, -1, 0), (right, 1, 0), (left, 1, 0)], [], [(0, 1, 2, 3)])
    mesh.materials.append(emission(name, color))
    return bpy.data.objects.new(name, mesh)


def add_camera(scene: bpy.types.Scene, name: str, x: float = 0.0, scale: float = 4.0) -> bpy.types.Object:
    data = bpy.data.cameras.new(name)
    data.type, data.ortho_scale = "ORTHO", scale
    camera = bpy.data.objects.new(name, data)
    camera.location = (x, 0, 5)
    scene.collection.objects.link(camera)
    return camera


def make_stage() -> bpy.types.Scene:
    """Makes a scene of 4 x 2 units: red on the left, blue on the right, outer quarters empty."""
    scene = bpy.data.scenes.new("Stage")
    for item in (rectangle("red", -1, 0, (1, 0, 0)), rectangle("blue", 0, 1, (0, 0, 1))):
        scene.collection.objects.link(item)
    scene.camera = add_camera(scene, "middle")
    scene.render.engine = "CYCLES"
    scene.render.dither_intensity = 0.0
    scene.cycles.samples, scene.cycles.device = 4, "CPU"
    scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = False
    scene.view_settings.view_transform = "Standard"
    scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 400, 200, 50
    scene.render.filepath = "//mine.exr"
    scene.render.image_settings.file_format = "OPEN_EXR"
    return scene


def settings_of(scene: bpy.types.Scene) -> dict[str, object]:
    render = scene.render
    names = ("filepath", "resolution_x", "resolution_y", "resolution_percentage", "film_transparent", "use_border")
    output = [render.image_settings.file_format, render.image_settings.color_mode, render.image_settings.color_depth]
    return {**{name: getattr(render, name) for name in names}, "output": output, "camera": scene.camera}
