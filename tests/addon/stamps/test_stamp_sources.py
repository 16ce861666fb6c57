"""The stamps of collections and objects."""

from __future__ import annotations

import bpy
import pytest
from diffbmp.operators.stamps.sources import WHOLE, Source, collection_sources, object_sources, short_name, text_sources

from tests.addon.support.pictures import disc, make_image
from tests.addon.support.scenes import add_stamp, make_cube, make_plane, make_text, textured_material


def images_of(collection: bpy.types.Collection) -> list[bpy.types.Image | None]:
    return [source.image for source in collection_sources(collection, "AUTO", "LETTERS")]


def new_collection(*objects: bpy.types.Object) -> bpy.types.Collection:
    collection = bpy.data.collections.new("Stamps")
    for item in objects:
        collection.objects.link(item)
    return collection


def test_each_image_of_a_collection_is_one_stamp() -> None:
    stamps, inner = bpy.data.collections.new("Stamps"), bpy.data.collections.new("Inner")
    stamps.children.link(inner)
    first, second, third = (make_image(name, disc(4)) for name in ("a", "b", "c"))
    add_stamp(stamps, second)
    add_stamp(stamps, second)
    add_stamp(stamps, first, in_group=True)
    add_stamp(stamps, None)
    add_stamp(inner, third)
    plain = bpy.data.objects.new("no material", bpy.data.meshes.new("no material"))
    plain.data.materials.append(None)
    stamps.objects.link(plain)
    assert images_of(stamps) == [first, second, third]


def test_an_image_empty_is_a_stamp() -> None:
    empty = bpy.data.objects.new("reference", None)
    empty.empty_display_type = "IMAGE"
    empty.data = make_image("reference", disc(4))
    assert images_of(new_collection(empty)) == [empty.data]


def test_a_material_on_the_object_counts() -> None:
    mesh = bpy.data.meshes.new("m")
    mesh.materials.append(None)
    item = bpy.data.objects.new("o", mesh)
    stamps = new_collection(item)
    image = make_image("own", disc(4))
    item.material_slots[0].link = "OBJECT"
    item.material_slots[0].material = textured_material("own", image)
    assert images_of(stamps) == [image]


def test_a_normal_map_next_to_a_picture_is_no_stamp() -> None:
    picture, data = make_image("picture", disc(4)), make_image("normal", disc(4), is_data=True)
    data.colorspace_settings.name = "Non-Color"
    item = make_plane(picture, [(0, 0), (1, 0), (1, 1), (0, 1)])
    item.data.materials[0].node_tree.nodes.new("ShaderNodeTexImage").image = data
    assert images_of(new_collection(item)) == [picture]
    alone = make_plane(data, [(0, 0), (1, 0), (1, 1), (0, 1)])
    assert images_of(new_collection(alone)) == [data]


def test_each_plane_of_a_sheet_is_a_stamp() -> None:
    sheet = make_image("sheet", disc(8))
    left = make_plane(sheet, [(0, 0), (0.5, 0), (0.5, 1), (0, 1)], "a")
    right = make_plane(sheet, [(0.5, 0.25), (1, 0.25), (1, 0.75), (0.5, 0.75)], "b")
    again = make_plane(sheet, [(0.5, 0.75), (0.5, 0.25), (1, 0.25), (1, 0.75)], "c")
    sources = collection_sources(new_collection(left, right, again), "AUTO", "LETTERS")
    assert [(source.image, source.crop) for source in sources] == [
        (sheet, (0.0, 0.0, 0.5, 1.0)),
        (sheet, (0.5, 0.25, 1.0, 0.75)),
    ]


@pytest.mark.parametrize(
    "uv",
    [
        [(0, 0), (2, 0), (2, 2), (0, 2)],
        [(0.3, 0.3)] * 4,
        [(-0.0004, 0), (1.0004, 0), (1, 1), (0, 1)],
        [(float("nan"), 0), (1, 0), (1, 1), (0, 1)],
    ],
)
def test_unusable_uvs_keep_the_whole_image(uv: list[tuple[float, float]]) -> None:
    (source,) = object_sources([make_plane(make_image("i", disc(4)), uv)], "AUTO", "LETTERS")
    assert source.crop == WHOLE


def test_objects_that_are_not_flat_are_rendered() -> None:
    cube, image = make_cube(), make_image("bark", disc(4))
    cube.data.materials.append(textured_material("bark", image))
    assert object_sources([cube], "AUTO", "LETTERS") == [Source("cube", object=cube)]
    assert object_sources([cube], "IMAGES", "LETTERS") == [Source("bark", image=image)]
    plane = make_plane(image, [(0, 0), (1, 0), (1, 1), (0, 1)])
    assert object_sources([plane], "RENDER", "LETTERS") == [Source("plane", object=plane)]
    assert object_sources([make_cube("bare")], "IMAGES", "LETTERS") == []


def test_objects_that_show_nothing_are_no_stamps() -> None:
    light = bpy.data.objects.new("light", bpy.data.lights.new("light", "POINT"))
    camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
    axes = bpy.data.objects.new("axes", None)
    nothing = bpy.data.objects.new("nothing", bpy.data.meshes.new("nothing"))
    assert object_sources([light, camera, axes, nothing], "AUTO", "LETTERS") == []


def test_an_instance_of_a_collection_is_a_stamp() -> None:
    instance = bpy.data.objects.new("instance", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", new_collection(make_cube())
    assert object_sources([instance], "AUTO", "LETTERS") == [Source("instance", object=instance)]


def test_a_text_is_split_into_letters_or_words() -> None:
    text = make_text("to be\nto")
    letters = object_sources([text], "AUTO", "LETTERS")
    assert [(source.text, source.object) for source in letters] == [(letter, text) for letter in "tobe"]
    assert [source.text for source in object_sources([text], "AUTO", "WORDS")] == ["to", "be"]
    assert object_sources([text], "AUTO", "WHOLE") == [Source("text", object=text)]
    assert text_sources("to  be", "WHOLE") == [Source("to be", text="to be")]
    assert text_sources(" \n", "LETTERS") == []


def test_names_lose_the_suffix_and_keep_the_number() -> None:
    assert short_name("leaf.PNG") == "leaf"
    assert short_name("leaf.png.001") == "leaf.001"
    assert short_name("Leaf.001") == "Leaf.001"
    assert short_name("v1.2 leaf") == "v1.2 leaf"
    assert short_name(".png") == ".png"
