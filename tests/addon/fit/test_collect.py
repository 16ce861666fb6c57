"""The job folder of a scene."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import UserError
from diffbmp.backend.job.job import Job
from diffbmp.operators.blender import folders
from diffbmp.operators.blender import images as images_module
from diffbmp.operators.blender.colors import encode
from diffbmp.operators.blender.folders import file_name, new_job_folder
from diffbmp.operators.blender.images import read_image, write_png
from diffbmp.operators.fit.collect import write_job
from numpy.typing import NDArray

from tests.addon.support.pictures import disc, make_image, picture, write_16_bit_png
from tests.addon.support.scenes import add_stamp, make_scene, make_text

Array = NDArray[Any]


def as_bytes(pixels: Array) -> Array:
    return np.rint(pixels * 255).astype(np.uint8)


# --- images ----------------------------------------------------------------------------------------------------------


def test_a_generated_image_is_read_unchanged() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (5, 7, 4)) / 255
    np.testing.assert_array_equal(read_image(make_image("noise", pixels)), as_bytes(pixels))


def test_a_file_is_read_unchanged_in_any_color_space(tmp_path: Path) -> None:
    pixels = np.random.default_rng(2).integers(0, 256, (5, 7, 4)).astype(np.uint8)
    write_png(tmp_path / "file.png", pixels)
    for color_space in ("sRGB", "Non-Color"):
        image = bpy.data.images.load(str(tmp_path / "file.png"))
        image.colorspace_settings.name = color_space
        np.testing.assert_array_equal(read_image(image), pixels)


def test_a_packed_image_needs_no_file(tmp_path: Path) -> None:
    pixels = np.random.default_rng(3).integers(0, 256, (4, 4, 4)).astype(np.uint8)
    write_png(tmp_path / "file.png", pixels)
    image = bpy.data.images.load(str(tmp_path / "file.png"))
    image.pack()
    (tmp_path / "file.png").unlink()
    image.reload()
    np.testing.assert_array_equal(read_image(image), pixels)


def test_a_float_image_is_encoded() -> None:
    light = np.full((2, 3, 4), 0.5)
    light[..., 1] = 4.0  # brighter than white
    light[0, 0] = np.nan
    image = make_image("float", light, float_buffer=True)
    rgba = read_image(image)
    assert rgba[1, 1].tolist() == [188, 255, 188, 128]
    assert rgba[0, 0].tolist() == [0, 0, 0, 0]


def test_a_float_image_of_non_color_data_is_not_encoded() -> None:
    rgba = read_image(make_image("data", np.full((2, 2, 4), 0.5), float_buffer=True, is_data=True))
    assert (rgba == 128).all()


def test_a_16_bit_file_becomes_straight_alpha_and_is_encoded(tmp_path: Path) -> None:
    """Blender stores it premultiplied and linear."""
    pixels = np.empty((2, 2, 4), np.uint16)
    pixels[...] = (0.5 * 65535, 0.25 * 65535, 65535, 0.5 * 65535)
    write_16_bit_png(tmp_path / "deep.png", pixels)
    image = bpy.data.images.load(str(tmp_path / "deep.png"))
    np.testing.assert_allclose(read_image(image)[0, 0], [128, 64, 255, 128], atol=1)
    image.alpha_mode = "CHANNEL_PACKED"
    image.reload()
    np.testing.assert_allclose(read_image(image)[0, 0], [128, 64, 255, 128], atol=1)


def test_alpha_that_is_switched_off_is_opaque() -> None:
    image = make_image("cut", np.zeros((2, 2, 4)))
    image.alpha_mode = "NONE"
    assert (read_image(image)[..., 3] == 255).all()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    image = bpy.data.images.new("gone", 4, 4)
    image.source = "FILE"
    image.filepath = str(tmp_path / "gone.png")
    with pytest.raises(UserError, match=r"^The image gone has no pixels: .*gone\.png does not exist$"):
        read_image(image)


def test_an_unreadable_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_text("no picture", encoding="utf-8")
    image = bpy.data.images.new("broken", 4, 4)
    image.source = "FILE"
    image.filepath = str(tmp_path / "broken.png")
    with pytest.raises(UserError, match=r"^The image broken has no pixels \(.*broken\.png cannot be read\)$"):
        read_image(image)


def test_an_image_beyond_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert images_module.MAX_PIXELS == 8192**2
    monkeypatch.setattr(images_module, "MAX_PIXELS", 8**2)
    with pytest.raises(UserError, match=r"^The image huge has 10 x 10 pixels, more than 8 x 8: scale it down first$"):
        read_image(bpy.data.images.new("huge", 10, 10))


def test_tiles_are_refused() -> None:
    with pytest.raises(UserError, match="The image udim is a set of tiles, but a still picture is needed"):
        read_image(bpy.data.images.new("udim", 4, 4, tiled=True))


def test_an_image_of_one_pixel_is_read() -> None:
    assert read_image(make_image("dot", np.ones((1, 1, 4)))).shape == (1, 1, 4)


def test_encode_is_srgb() -> None:
    np.testing.assert_allclose(encode([0, 0.001, 0.214041, 1, 7]), [0, 0.01292, 0.5, 1, 1], atol=1e-5)


# --- the job ---------------------------------------------------------------------------------------------------------


def test_the_job_matches_the_scene(tmp_path: Path) -> None:
    scene = make_scene()
    settings = scene.diffbmp
    settings.fit.seed, settings.fit.space, settings.fit.background = 7, "linear", (0.5, 0.25, 0)
    settings.stamps.mode, settings.stamps.blend = "mix", 0.25
    settings.backend.engine, settings.backend.threads = "reference", 3
    assert write_job(scene, tmp_path) == []
    job = Job.load(tmp_path)
    fit = job.settings
    assert (fit.count, fit.size, fit.iterations, fit.seed) == (20, 48, 10, 7)
    assert (fit.space, fit.background, fit.engine, fit.threads) == ("linear", (0.5, 0.25, 0.0), "reference", 3)
    (stamp,) = job.templates
    assert (stamp.name, stamp.mode, stamp.blend, stamp.width, stamp.height) == ("disc", "mix", 0.25, 16, 16)
    np.testing.assert_array_equal(np.load(job.target), as_bytes(picture()))
    np.testing.assert_array_equal(read_image(bpy.data.images.load(stamp.file)), as_bytes(disc()))


def test_stamps_that_cannot_be_used_are_left_out(tmp_path: Path) -> None:
    scene = make_scene()
    stamps = scene.diffbmp.stamps.collection
    add_stamp(stamps, make_image("clear", np.zeros((4, 4, 4))))
    gone = bpy.data.images.new("gone", 4, 4)
    gone.source, gone.filepath = "FILE", "gone.png"
    add_stamp(stamps, gone)
    problems = write_job(scene, tmp_path)
    assert len(problems) == 2
    assert problems[0] == "The image clear is fully transparent: choose another image"
    assert problems[1].startswith("The image gone has no pixels: ")
    assert [spec.name for spec in Job.load(tmp_path).templates] == ["disc"]


def test_a_job_without_usable_stamps_is_refused(tmp_path: Path) -> None:
    scene = make_scene()
    stamps = scene.diffbmp.stamps.collection
    for item in list(stamps.objects):
        stamps.objects.unlink(item)
    with pytest.raises(
        UserError, match=r"^There are no stamps: choose a collection, or add images, objects or a text$"
    ):
        write_job(scene, tmp_path)
    add_stamp(stamps, make_image("clear", np.zeros((4, 4, 4))))
    (tmp_path / "second").mkdir()
    with pytest.raises(UserError, match=r"^No stamp can be used: The image clear is fully transparent: choose another"):
        write_job(scene, tmp_path / "second")


@pytest.mark.parametrize(
    ("part", "name", "message"),
    [("target", "image", "There is no target: choose"), ("stamps", "collection", "There are no stamps: choose")],
)
def test_missing_choices_are_named(tmp_path: Path, part: str, name: str, message: str) -> None:
    scene = make_scene()
    setattr(getattr(scene.diffbmp, part), name, None)
    with pytest.raises(UserError, match=message):
        write_job(scene, tmp_path)


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(UserError, match=r"file cannot be written to \(Not a directory\): see that there is space"):
        write_job(make_scene(), tmp_path / "file")


# --- folders ---------------------------------------------------------------------------------------------------------


def test_each_job_has_its_folder_and_the_oldest_are_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "KEPT_JOBS", 3)
    made = [new_job_folder("my target.png") for _ in range(5)]
    assert len(set(made)) == 5
    assert made[-1].name.startswith("my_target_png-")
    assert made[-1].is_relative_to(bpy.app.tempdir)
    assert sum(folder.exists() for folder in made) == 3
    assert made[-1].exists()


def test_names_are_safe_for_files() -> None:
    assert file_name("a/b\\c: ü?.png") == "a_b_c_png"
    assert file_name("../..") == "picture"
    assert len(file_name("x" * 100)) == 40


def test_a_transparent_target_is_named(tmp_path: Path) -> None:
    scene = make_scene()
    image = bpy.data.images.new("ghost", 4, 4, alpha=True)
    image.pixels.foreach_set(np.zeros(64, np.float32))
    scene.diffbmp.target.image = image
    with pytest.raises(UserError, match="The target ghost is fully transparent"):
        write_job(scene, tmp_path)


def test_without_temporary_space_no_stamp_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene()
    scene.diffbmp.stamps.collection.objects.link(make_text("A"))
    scene.diffbmp.stamps.resolution = 16
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    (tmp_path / "job").mkdir()
    with pytest.raises(UserError, match=r"missing cannot be written to .*, or set TMPDIR to another"):
        write_job(scene, tmp_path / "job")
    monkeypatch.setattr(tempfile, "tempdir", None)
    (tmp_path / "again").mkdir()
    assert write_job(scene, tmp_path / "again") == []
    assert len(Job.load(tmp_path / "again").templates) == 2
