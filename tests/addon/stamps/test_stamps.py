"""The list of stamps: it follows collections, has settings for each stamp, and is written to the job."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import Limits, UserError
from diffbmp.backend.job.job import Job
from diffbmp.operators.blender.images import ByteArray, read_image, write_png
from diffbmp.operators.fit import collect
from diffbmp.operators.fit.collect import write_job
from diffbmp.operators.stamps.pixels import StampReader, crop, remove_background
from diffbmp.operators.stamps.properties import add_sources, refresh
from diffbmp.operators.stamps.sources import object_sources
from diffbmp.operators.stamps.thumbnails import THUMBNAILS, draw_thumbnails
from numpy.typing import NDArray

from tests.addon.support.pictures import disc, make_image
from tests.addon.support.scenes import add_stamp, make_plane, make_scene, make_text


def names(scene: bpy.types.Scene) -> list[str]:
    return [stamp.name for stamp in scene.diffbmp.stamps.entries]


def written_pixels(spec_file: str) -> NDArray[Any]:
    return read_image(bpy.data.images.load(spec_file))


# --- following collections -------------------------------------------------------------------------------------------


def test_choosing_a_collection_fills_the_list() -> None:
    scene = make_scene()
    assert names(scene) == ["disc"]
    scene.diffbmp.stamps.collection = None
    assert names(scene) == []


def test_refresh_keeps_settings_and_what_was_added_by_hand() -> None:
    scene = make_scene()
    stamps = scene.diffbmp.stamps
    stamps.entries[0].share, stamps.entries[0].use = 3.0, False
    stamps.pick = make_image("picked.png", disc(4))
    assert stamps.pick is None
    stamps.pick = bpy.data.images["picked.png"]
    add_stamp(stamps.collection, make_image("new.png", disc(4)))
    bpy.data.images["disc.png"].name = "renamed.png"
    refresh(stamps)
    assert names(scene) == ["renamed", "picked", "new"]
    assert (stamps.entries[0].share, stamps.entries[0].use) == (3.0, False)
    for item in list(stamps.collection.objects):
        bpy.data.objects.remove(item)
    refresh(stamps)
    assert names(scene) == ["picked"]


def test_a_hundred_letters_follow_their_text() -> None:
    scene = make_scene()
    stamps = scene.diffbmp.stamps
    text = make_text("abc")
    stamps.collection.objects.link(text)
    refresh(stamps)
    assert names(scene) == ["disc", "a", "b", "c"]
    stamps.entries[2].use = False
    text.data.body = "bcd"
    refresh(stamps)
    assert names(scene) == ["disc", "b", "c", "d"]
    assert [stamp.use for stamp in stamps.entries] == [True, False, True, True]
    stamps.split = "WORDS"
    assert names(scene) == ["disc", "bcd"]


# --- pixels ----------------------------------------------------------------------------------------------------------


def test_the_crop_is_whole_pixels() -> None:
    rgba = np.arange(6 * 4 * 4, dtype=np.uint8).reshape(6, 4, 4)
    np.testing.assert_array_equal(crop(rgba, (0, 0, 1, 1)), rgba)
    np.testing.assert_array_equal(crop(rgba, (0.5, 0, 1, 0.5)), rgba[3:, 2:])
    assert crop(rgba, (1, 1, 1, 1)).shape == (1, 1, 4)


def test_a_plane_of_a_sheet_shows_its_part() -> None:
    noise = np.random.default_rng(1).integers(1, 256, (8, 8, 4)) / 255
    scene = make_scene()
    stamps = scene.diffbmp.stamps
    stamps.collection.objects.link(make_plane(make_image("sheet", noise), [(0, 0.5), (0.5, 0.5), (0.5, 1), (0, 1)]))
    refresh(stamps)
    pixels = StampReader(scene).read(stamps.entries[1])
    np.testing.assert_array_equal(pixels, np.rint(noise[:4, :4] * 255).astype(np.uint8))


@pytest.mark.parametrize(("paper", "ink"), [((255, 255, 255), (20, 60, 200)), ((0, 0, 0), (255, 240, 220))])
def test_a_background_is_removed_without_a_fringe(paper: tuple[int, ...], ink: tuple[int, ...]) -> None:
    """Coverage and color of an anti-aliased disc on paper are restored, also light on dark."""
    coverage = disc(32)[..., 3:]
    painted = np.rint(np.array(paper) * (1 - coverage) + np.array(ink) * coverage)
    rgba = np.concatenate([painted, np.full_like(coverage, 255)], 2).astype(np.uint8)
    result = remove_background(rgba, 0.02)
    assert (result[coverage[..., 0] == 0, 3] == 0).all()
    assert (result[coverage[..., 0] == 1] == (*ink, 255)).all()
    visible = result[..., 3] == 255
    assert np.abs(result[visible, :3].astype(int) - ink).max() < 256 * (1 - coverage[visible].min())
    assert (remove_background(np.full((4, 4, 4), 255, np.uint8), 0.1)[..., 3] == 0).all()


def test_light_stamps_keep_their_alpha(tmp_path: Path) -> None:
    scene = make_scene()
    white = disc(16)
    write_job(scene, tmp_path)
    (spec,) = Job.load(tmp_path).templates
    np.testing.assert_array_equal(written_pixels(spec.file), np.rint(white * 255).astype(np.uint8))


# --- settings of each ------------------------------------------------------------------------------------------------


def test_settings_of_a_stamp_reach_the_job(tmp_path: Path) -> None:
    scene = make_scene()
    stamps = scene.diffbmp.stamps
    for name in ("own.png", "off.png"):
        add_stamp(stamps.collection, make_image(name, disc(8)))
    refresh(stamps)
    own, off = stamps.entries["own"], stamps.entries["off"]
    off.use = False
    own.own, own.mode, own.share = True, "original", 2.5
    own.limits.stretch, own.limits.mirror, own.limits.free_rotation = 2.0, True, False
    own.limits.rotation_min = own.limits.rotation_max = 0.0
    scene.diffbmp.limits.stretch = 4.0
    scene.diffbmp.limits.usage = "shares"
    assert write_job(scene, tmp_path) == []
    first, second = Job.load(tmp_path).templates
    assert (first.name, first.mode, first.limits) == ("disc", "tint", Limits(stretch=4.0))
    assert (second.name, second.mode, second.blend) == ("own", "mix", 1.0)
    assert second.limits == Limits(stretch=2.0, mirror=True, rotation_range=(0.0, 0.0), share=2.5)


def test_a_removed_background_reaches_the_job(tmp_path: Path) -> None:
    scene = make_scene()
    pixels = np.ones((8, 8, 4))
    pixels[2:6, 2:6, :3] = 0
    scene.diffbmp.target.image = make_image("target", pixels)
    stamps = scene.diffbmp.stamps
    stamps.collection = None
    stamps.pick = make_image("square.png", pixels)
    stamps.entries[0].alpha = "REMOVE"
    write_job(scene, tmp_path)
    rgba = written_pixels(Job.load(tmp_path).templates[0].file)
    assert rgba[..., 3].sum() == 16 * 255


def test_a_stamp_with_a_deleted_source_is_named(tmp_path: Path) -> None:
    scene = make_scene()
    image = make_image("lost.png", disc(4))
    scene.diffbmp.stamps.pick = image
    bpy.data.images.remove(image)
    text = make_text("F")
    scene.collection.objects.link(text)
    add_sources(scene.diffbmp.stamps, object_sources([text], "AUTO", "LETTERS"))
    scene.collection.objects.unlink(text)  # as Blender does when an object is deleted that a setting uses
    problem, other = write_job(scene, tmp_path)
    assert other == "The source of the stamp F was deleted: remove the stamp from the list"
    assert problem == "The source of the stamp lost was deleted: remove the stamp from the list"


def test_a_list_without_used_stamps_is_refused(tmp_path: Path) -> None:
    scene = make_scene()
    assert bpy.ops.diffbmp.use_stamps(action="NONE") == {"FINISHED"}
    with pytest.raises(UserError, match="There are no stamps: choose a collection, or add"):
        write_job(scene, tmp_path)


# --- operators -------------------------------------------------------------------------------------------------------


def test_files_and_folders_are_added(tmp_path: Path) -> None:
    scene = make_scene()
    for name in ("b.png", "a.png"):
        write_png(tmp_path / name, np.full((4, 4, 4), 255, np.uint8))
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    assert bpy.ops.diffbmp.add_stamp_files(directory=str(tmp_path), files=[{"name": "b.png"}]) == {"FINISHED"}
    assert names(scene) == ["disc", "b"]
    assert bpy.ops.diffbmp.add_stamp_files(directory=str(tmp_path)) == {"FINISHED"}
    assert names(scene) == ["disc", "b", "a"]
    assert bpy.ops.diffbmp.add_stamp_files(directory=str(tmp_path)) == {"CANCELLED"}
    assert len([image for image in bpy.data.images if image.filepath]) == 2


def test_folders_without_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="holds no pictures: choose another"):
        bpy.ops.diffbmp.add_stamp_files(directory=str(tmp_path))
    with pytest.raises(RuntimeError, match=r"The folder .*gone cannot be read \(No such file or directory\)"):
        bpy.ops.diffbmp.add_stamp_files(directory=str(tmp_path / "gone"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    scene = make_scene()
    bpy.ops.diffbmp.add_stamp_files(directory=str(tmp_path), files=[{"name": "gone.png"}])
    assert names(scene) == ["disc"]


def test_selected_objects_are_added() -> None:
    scene = make_scene()
    scene.diffbmp.stamps.collection = None
    plane = make_plane(make_image("leaf.png", disc(4)), [(0, 0), (1, 0), (1, 1), (0, 1)])
    scene.collection.objects.link(plane)
    for item in scene.objects:
        item.select_set(item == plane)
    assert bpy.ops.diffbmp.add_stamp_objects() == {"FINISHED"}
    assert names(scene) == ["leaf"]


def test_letters_and_words_are_added() -> None:
    scene = make_scene()
    assert bpy.ops.diffbmp.add_stamp_text(text="to be", split="WORDS") == {"FINISHED"}
    scene.diffbmp.stamps.text = "eb"
    assert bpy.ops.diffbmp.add_stamp_text() == {"FINISHED"}
    assert names(scene) == ["disc", "to", "be", "e", "b"]
    scene.diffbmp.stamps.text = " "
    with pytest.raises(RuntimeError, match="There is no text: type letters"):
        bpy.ops.diffbmp.add_stamp_text()


def test_stamps_are_removed() -> None:
    scene = make_scene()
    bpy.ops.diffbmp.add_stamp_text(text="ab")
    assert bpy.ops.diffbmp.remove_stamps(index=1) == {"FINISHED"}
    assert names(scene) == ["disc", "b"]
    with pytest.raises(RuntimeError, match="There is no stamp 2: the list has 2"):
        bpy.ops.diffbmp.remove_stamps(index=2)
    bpy.ops.diffbmp.remove_stamps()
    assert names(scene) == []


# --- thumbnails ------------------------------------------------------------------------------------------------------


def test_thumbnails_are_drawn_once_and_again_after_changes() -> None:
    scene = make_scene()
    stamp = scene.diffbmp.stamps.entries[0]
    assert draw_thumbnails(scene) == (0, [])
    assert stamp in THUMBNAILS
    stamp.alpha = "REMOVE"
    assert stamp not in THUMBNAILS
    assert THUMBNAILS.icon(stamp) == 0
    stamp.alpha = "KEEP"
    assert stamp in THUMBNAILS


# --- stored in the file ----------------------------------------------------------------------------------------------


def test_the_list_is_saved_and_appended_with_the_scene(tmp_path: Path) -> None:
    scene = make_scene()
    scene.name = "Set-up"
    stamps = scene.diffbmp.stamps
    bpy.ops.diffbmp.add_stamp_text(text="ab")
    stamps.entries[0].own, stamps.entries[0].limits.stretch = True, 3.0
    stamps.entries[2].use = False
    for image in bpy.data.images:
        if image.size[0]:
            image.pack()
    before = [(stamp.name, stamp.use, stamp.own, stamp.limits.stretch) for stamp in stamps.entries]
    path = str(tmp_path / "a.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)
    assert [(s.name, s.use, s.own, s.limits.stretch) for s in bpy.context.scene.diffbmp.stamps.entries] == before
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(path) as (_, wanted):
        wanted.scenes = ["Set-up"]
    (appended,) = wanted.scenes
    items = appended.diffbmp.stamps.entries
    assert [(s.name, s.use, s.own, s.limits.stretch) for s in items] == before
    assert items[0].image.name == "disc.png"
    assert appended.diffbmp.target.image.name == "sunset.png"


# --- how much work ---------------------------------------------------------------------------------------------------


def test_five_hundred_stamps_are_read_and_written_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = make_scene()
    noise = np.random.default_rng(1)
    for index in range(500):
        add_stamp(scene.diffbmp.stamps.collection, make_image(f"{index:03d}.png", noise.random((16, 16, 4))))
    read, written = Counter[str](), Counter[Path]()

    def reader(self: StampReader, stamp: Any) -> Callable[[], ByteArray]:
        read[stamp.name] += 1
        return reader_of(self, stamp)

    def write(path: Path, rgba: ByteArray) -> None:
        written[path] += 1
        write_png(path, rgba)

    reader_of = StampReader.reader_of
    monkeypatch.setattr(StampReader, "reader_of", reader)
    monkeypatch.setattr(collect, "write_png", write)
    assert write_job(scene, tmp_path) == []
    assert len(Job.load(tmp_path).templates) == len(read) == 501
    assert len(written) == 501  # the target is an array
    assert {*read.values(), *written.values()} == {1}
    assert add_sources(scene.diffbmp.stamps, []) == 0
