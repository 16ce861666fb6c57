"""Objects rendered as stamps, masks and maps: right way up, in their colors, and nothing left behind."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.blender.silhouettes import render_silhouette
from diffbmp.operators.blender.studio import render_collection, render_objects, render_text
from diffbmp.operators.blender.svg import import_svg
from numpy.typing import NDArray

from tests.addon.support.census import census
from tests.addon.support.scenes import make_cube, make_text
from tests.addon.support.stages import add_camera, emission, rectangle
from tests.addon.support.work import work_of

Array = NDArray[Any]

SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="100" height="60">
<rect x="10" y="5" width="80" height="50" fill="#c83214"/><circle cx="30" cy="20" r="12" fill="#1450c8"/></svg>"""


def near(pixel: Array, color: tuple[int, ...], levels: int = 1) -> bool:
    """levels: of the render's own rounding and filter."""
    return bool(np.abs(pixel.astype(int) - color).max() <= levels)


def linked(item: bpy.types.Object) -> bpy.types.Object:
    bpy.context.scene.collection.objects.link(item)
    return item


def test_a_flat_object_is_seen_along_its_normal_wherever_it_lies() -> None:
    item = linked(rectangle("red", -2, 2, (1, 0, 0)))
    item.rotation_euler, item.location, item.scale = (1.0, 0.5, -2.0), (7, -3, 2), (0.5, 0.5, 0.5)
    rgba = render_objects([item], 64)
    assert rgba.shape == (33, 64, 4)
    assert near(rgba[2:-2, 2:-2], (255, 0, 0, 255))
    assert rgba[0, :, 3].max() == rgba[:, 0, 3].max() == 0


def test_a_text_is_upright() -> None:
    text = linked(make_text("F"))
    text.rotation_euler = (1.5, 0.3, 2.0)
    for rgba in (render_objects([text], 64), render_text("F", 64), render_text("F", 64, style=text)):
        alpha = rgba[..., 3].astype(int)
        height, width = alpha.shape
        assert height == 64
        assert alpha[:, : width // 2].sum() > 1.5 * alpha[:, width // 2 :].sum()
        assert alpha[: height // 3].sum() > 1.5 * alpha[-height // 3 :].sum()
        assert near(rgba[alpha == 255][:, :3], (255, 255, 255))
        assert len(np.unique(alpha)) > 4  # edges are smooth


@pytest.mark.parametrize("scale", [(-1, 1, 1), (1, 1, -1), (1, 1, 0), (2, 2, 2)])
def test_mirrored_and_flattened_objects_are_seen_as_they_look(scale: tuple[int, ...]) -> None:
    text = linked(make_text("F"))
    text.scale, text.rotation_euler = scale, (0.4, 0.0, 0.0)
    alpha = render_objects([text], 64)[..., 3].astype(int)
    assert alpha[: 64 // 3].sum() > 1.5 * alpha[-64 // 3 :].sum()
    half = alpha.shape[1] // 2
    left, right = alpha[:, :half].sum(), alpha[:, half:].sum()
    is_mirrored = min(scale) < 0  # seen from the other side where its z is turned round
    assert (right > 1.5 * left) if is_mirrored else (left > 1.5 * right)


def test_a_child_lies_where_its_parent_carries_it() -> None:
    parent, item = linked(bpy.data.objects.new("parent", None)), linked(rectangle("red", -2, 2, (1, 0, 0)))
    parent.rotation_euler, parent.scale = (0, 1, 1), (1, 0.5, 1)
    item.parent = parent
    assert render_objects([item], 66).shape == (18, 66, 4)


def test_a_texts_style_is_taken_without_changing_it() -> None:
    style = linked(make_text("Hello"))
    style.data.materials.append(emission("blue", (0, 0, 1)))
    rgba = render_text("I", 32, style=style)
    assert near(rgba[16, rgba.shape[1] // 2], (0, 0, 255, 255))
    assert style.data.body == "Hello"


@pytest.mark.parametrize(
    ("view", "color"), [("AUTO", "front"), ("FRONT", "front"), ("TOP", "top"), ("RIGHT", "right"), ("LEFT", "")]
)
def test_views(view: str, color: str) -> None:
    """A cube whose front, top and right faces shine in red, green and blue."""
    shades = {"front": (1, 0, 0), "top": (0, 1, 0), "right": (0, 0, 1), "": (1, 1, 1)}
    mesh = bpy.data.meshes.new("cube")
    corners = [(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)]
    mesh.from_pydata(corners, [], [(0, 4, 5, 1), (1, 5, 7, 3), (4, 6, 7, 5), (0, 1, 3, 2)])
    for index, (name, shade) in enumerate(shades.items()):
        mesh.materials.append(emission(name or "left", shade))
        mesh.polygons[index].material_index = index
    rgba = render_objects([linked(bpy.data.objects.new("cube", mesh))], 32, view=view)
    assert near(rgba[16, 16], (*(255 * value for value in shades[color]), 255))


def test_modifiers_and_instances_count() -> None:
    item = linked(rectangle("red", -1, 1, (1, 0, 0)))
    item.modifiers.new("array", "ARRAY").count = 3
    assert render_objects([item], 66).shape == (24, 66, 4)
    collection = bpy.data.collections.new("Asset")
    collection.objects.link(rectangle("blue", -1, 1, (0, 0, 1)))
    instance = linked(bpy.data.objects.new("instance", None))
    instance.instance_type, instance.instance_collection, instance.rotation_euler = "COLLECTION", collection, (0, 0, 1)
    rgba = render_objects([instance], 32)
    assert near(rgba[16, 16], (0, 0, 255, 255))


def test_even_light_shows_base_colors() -> None:
    """Rough surfaces: within the specular share of a default material."""
    item = linked(rectangle("plain", -1, 1, (0, 0, 0)))
    material = bpy.data.materials.new("rough")
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    shader.inputs["Base Color"].default_value = (0.214041, 0.214041, 0.8, 1)
    shader.inputs["Roughness"].default_value = 1.0
    item.data.materials[0] = material
    rgba = render_objects([item], 32)
    assert near(rgba[16, 16], (128, 128, 231, 255), 16)


def test_hidden_objects_are_rendered_and_stay_hidden() -> None:
    item = linked(rectangle("red", -1, 1, (1, 0, 0)))
    item.hide_render = item.hide_viewport = True
    assert render_objects([item], 16)[8, 8, 3] == 255
    assert item.hide_render
    assert item.hide_viewport


def test_nothing_is_left_behind_and_the_scene_stays() -> None:
    item = linked(rectangle("red", -1, 1, (1, 0, 0)))
    render_text("a", 16)  # brings Blender's own font and its render
    before, scene, users = census(), bpy.context.scene, item.users
    render_objects([item], 16)
    render_text("ab", 16)
    with pytest.raises(UserError, match="axes shows nothing that could be rendered: choose another object"):
        render_objects([linked(bpy.data.objects.new("axes", None))], 16)
    bpy.data.objects.remove(bpy.data.objects["axes"])
    assert census() == before
    assert bpy.context.scene == scene
    assert item.users == users


def test_an_empty_collection_is_named() -> None:
    with pytest.raises(UserError, match="The collection Bare is empty"):
        render_collection(bpy.data.collections.new("Bare"), 16)


def test_a_silhouette_is_the_disc_that_it_is() -> None:
    """Intersection over union with the disc itself."""
    scene = bpy.context.scene
    bpy.ops.mesh.primitive_circle_add(vertices=256, radius=1, fill_type="NGON")
    item = bpy.context.object
    camera = add_camera(scene, "camera")
    alpha = render_silhouette([item], camera, 128, 64) / 255.0
    y, x = np.mgrid[:64, :128]
    disc = np.clip(0.5 + 32 - np.hypot(x - 63.5, y - 31.5), 0, 1)
    assert np.minimum(alpha, disc).sum() / np.maximum(alpha, disc).sum() > 0.99


def test_an_object_stamp_is_one_render_of_few_samples() -> None:
    samples: list[int] = []
    bpy.app.handlers.render_post.append(lambda scene, _: samples.append(scene.cycles.samples))  # type: ignore[misc]
    bpy.ops.mesh.primitive_monkey_add()
    try:
        small, large = (work_of(partial(render_objects, [bpy.context.object], size)) for size in (64, 256))
    finally:
        bpy.app.handlers.render_post.clear()
    assert samples == [16, 16]
    assert large.updates == small.updates <= 3


def test_an_svg_is_upright_in_its_colors(tmp_path: Path) -> None:
    (tmp_path / "sign.svg").write_text(SVG, encoding="utf-8")
    collection = import_svg(tmp_path / "sign.svg")
    assert collection.name == "sign"
    assert not bpy.context.scene.objects
    rgba = render_collection(collection, 162)
    assert rgba.shape == (102, 162, 4)
    assert near(rgba[90, 150], (0xC8, 0x32, 0x14, 255), 2)
    assert near(rgba[31, 41], (0x14, 0x50, 0xC8, 255), 2)


def test_svgs_without_shapes_are_named(tmp_path: Path) -> None:
    (tmp_path / "bare.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"></svg>', encoding="utf-8")
    (tmp_path / "broken.svg").write_text("no picture", encoding="utf-8")
    count = len(bpy.data.collections)
    for name, message in (("bare", "holds no shapes"), ("broken", "holds no shapes"), ("gone", "does not exist")):
        with pytest.raises(UserError, match=rf"{name}\.svg {message}"):
            import_svg(tmp_path / f"{name}.svg")
    assert len(bpy.data.collections) == count


def test_cubes_have_depth() -> None:
    assert render_objects([linked(make_cube())], 32).shape[1] == 32
