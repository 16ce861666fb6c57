"""Moving targets and masks: which frames reach the job, under which numbers, and which errors there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import UserError
from diffbmp.backend.job.job import Job
from diffbmp.operators.blender.frames import movie_frames, movie_rate
from diffbmp.operators.blender.images import read_image, write_png
from diffbmp.operators.blender.versions import set_still_image
from diffbmp.operators.fit.collect import write_job
from diffbmp.operators.fit.optimize import why_not_optimize
from diffbmp.operators.target.properties import can_move, moves
from numpy.typing import NDArray

from tests.addon.support.census import census
from tests.addon.support.pictures import make_image
from tests.addon.support.scenes import add_square, make_mask, make_scene
from tests.addon.support.stages import make_stage, rectangle, settings_of

Array = NDArray[Any]

FRAMES = 6
SIZE = (32, 24)


def frame(number: int, width: int = SIZE[0], height: int = SIZE[1]) -> Array:
    """A gray that tells its number; the left half is red."""
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[..., :3] = 40 * number
    rgba[:, : width // 2, 1:3] = 0
    return rgba


def write_sequence(folder: Path, first: int = 1) -> Path:
    folder.mkdir()
    for number in range(1, FRAMES + 1):
        write_png(folder / f"shot_{number + first - 1:04d}.png", frame(number))
    return folder / f"shot_{first:04d}.png"


def write_movie(folder: Path) -> Path:
    """A lossless movie of the frames, encoded by Blender from a sequence of them, 10 a second."""
    first = write_sequence(folder / "source")
    scene = bpy.data.scenes.new("encode")
    strips = scene.sequence_editor_create().strips
    strip = strips.new_image("shot", str(first), 1, 1)
    for number in range(2, FRAMES + 1):
        strip.elements.append(f"shot_{number:04d}.png")
    if hasattr(strip, "frame_final_duration") and strip.frame_final_duration != FRAMES:
        strip.frame_final_duration = FRAMES
    render = scene.render
    render.engine, render.dither_intensity, render.fps = "CYCLES", 0.0, 10
    render.resolution_x, render.resolution_y = SIZE
    scene.frame_end, scene.view_settings.view_transform = FRAMES, "Standard"
    output = render.image_settings
    if hasattr(output, "media_type"):
        output.media_type = "VIDEO"
    else:
        output.file_format = "FFMPEG"
    render.ffmpeg.format, render.ffmpeg.codec, render.ffmpeg.audio_codec = "MKV", "FFV1", "NONE"
    render.filepath = str(folder / "movie.mkv")
    bpy.ops.render.render(animation=True, scene=scene.name)
    bpy.data.scenes.remove(scene)
    return folder / "movie.mkv"


def moving_scene(path: Path, source: str = "FILE") -> bpy.types.Scene:
    """A scene ready to be optimized whose target is a movie, or the sequence that begins with a picture."""
    scene = make_scene()
    image = bpy.data.images.load(str(path))
    if source != "FILE":
        image.source = source
    scene.diffbmp.target.image, scene.diffbmp.target.moving = image, True
    return scene


def job_of(scene: bpy.types.Scene, folder: Path) -> Job:
    folder.mkdir()
    write_job(scene, folder)
    return Job.load(folder, outside=True)


def pictures(folder: str) -> dict[str, Array]:
    return {path.stem: read_image(bpy.data.images.load(str(path))) for path in sorted(Path(folder).iterdir())}


def test_a_movie_is_handed_over_by_its_path(tmp_path: Path) -> None:
    movie = write_movie(tmp_path)
    scene = moving_scene(movie)
    clip = scene.diffbmp.clip
    clip.start, clip.end, clip.step, clip.scene_start, clip.iterations, clip.smoothness = 2, 5, 3, 101, 7, 0.3
    job = job_of(scene, tmp_path / "job")
    assert job.target == str(movie)
    assert job.clip is not None
    assert (job.clip.start, job.clip.end, job.clip.step, job.clip.scene_start, job.clip.fps) == (2, 5, 3, 101, 10.0)
    assert (job.clip.iterations, job.clip.smoothness, job.clip.flow) == (7, 0.3, True)
    assert not (tmp_path / "job" / "target").exists()


def test_movies_are_read_frame_by_frame(tmp_path: Path) -> None:
    movie = write_movie(tmp_path)
    before = census()
    assert movie_rate(movie) == 10
    for number, found in zip((1, 4, 2), movie_frames(movie, (1, 4, 2)), strict=True):
        np.testing.assert_array_equal(found, frame(number))
    for number, found in zip((1, 1, 2), movie_frames(movie, (1, 2, 3), fps=20.0), strict=True):
        np.testing.assert_array_equal(found, frame(number))
    assert census() == before


def test_a_cropped_movie_becomes_pictures(tmp_path: Path) -> None:
    scene = moving_scene(write_movie(tmp_path))
    target, clip = scene.diffbmp.target, scene.diffbmp.clip
    target.aspect, target.focus_x = "CUSTOM", 0.0
    clip.start, clip.end, clip.step = 2, 6, 2
    job = job_of(scene, tmp_path / "job")
    assert job.clip is not None
    assert (job.clip.start, job.clip.end, job.clip.step, job.clip.fps) == (1, 0, 2, 10.0)
    found = pictures(job.target)
    assert list(found) == ["0001", "0002", "0003", "0004", "0005"]
    for name, number in (("0001", 2), ("0002", 2), ("0003", 4), ("0005", 6)):
        np.testing.assert_array_equal(found[name], frame(number)[:, :24])


def test_a_sequence_is_handed_over_by_its_first_picture(tmp_path: Path) -> None:
    first = write_sequence(tmp_path / "shot", 98)  # the numbers get another digit on their way
    scene = moving_scene(first, "SEQUENCE")
    scene.render.fps, scene.render.fps_base = 30, 1.001
    job = job_of(scene, tmp_path / "job")
    assert job.target == str(first)
    assert job.clip is not None
    assert (job.clip.start, job.clip.end) == (1, 0)
    assert job.clip.fps == pytest.approx(29.97003)
    scene.diffbmp.target.aspect = "CUSTOM"
    found = pictures(job_of(scene, tmp_path / "cropped").target)
    assert len(found) == FRAMES
    np.testing.assert_array_equal(found["0006"], frame(6)[:, 4:28])


def make_moving_stage() -> bpy.types.Scene:
    """The stage, whose red rectangle leaves to the left, a unit a frame, from frame 11 to 13."""
    stage = make_stage()
    item = stage.objects["red"]
    for at, x in ((11, 0), (13, -2)):
        item.location.x = x
        item.keyframe_insert("location", index=0, frame=at)
    stage.frame_start, stage.frame_end = 11, 13
    stage.frame_set(12)
    return stage


def test_a_scene_is_rendered_over_its_frames(tmp_path: Path) -> None:
    scene, stage = make_scene(), make_moving_stage()
    before = settings_of(stage)
    target = scene.diffbmp.target
    target.source, target.scene, target.transparent, target.moving = "SCENE", stage, True, True
    scene.diffbmp.clip.step = 2
    job = job_of(scene, tmp_path / "job")
    assert job.clip is not None
    assert (job.clip.start, job.clip.end, job.clip.step, job.clip.fps) == (1, 0, 2, 24.0)
    found = pictures(job.target)
    assert list(found) == ["0001", "0002", "0003"]
    assert found["0001"].shape == (24, 48, 4)
    assert found["0001"][12, 18].tolist() == [255, 0, 0, 255]
    assert found["0003"][12, 18, 3] == 0
    assert found["0003"][12, 30].tolist() == [0, 0, 255, 255]
    assert settings_of(stage) == before
    assert stage.frame_current == 12
    assert (tmp_path / "job" / "target" / "0002.png").stat().st_size


def test_an_object_is_seen_by_a_camera_at_rest(tmp_path: Path) -> None:
    scene = make_scene()
    item = rectangle("mark", -1, 1, (1, 1, 1))
    scene.collection.objects.link(item)
    for at, x in ((1, 0), (5, 4)):
        item.location.x = x
        item.keyframe_insert("location", index=0, frame=at)
    scene.frame_start, scene.frame_end = 1, 5
    scene.frame_set(3)
    shown = item.location.x
    target = scene.diffbmp.target
    target.source, target.object, target.moving = "OBJECT", item, True
    scene.diffbmp.clip.step, scene.diffbmp.fit.size = 4, 62
    found = pictures(job_of(scene, tmp_path / "job").target)
    assert found["0001"].shape == (22, 62, 4)
    for name, column in (("0001", 10), ("0005", 50)):
        alpha = found[name][11, :, 3].astype(float)
        assert alpha.sum() / 255 == pytest.approx(20, abs=0.5)
        assert (alpha * np.arange(62)).sum() / alpha.sum() == pytest.approx(column + 0.5, abs=0.6)
    assert (scene.frame_current, item.location.x) == (3, shown)


def test_masks_move_and_still_ones_stay_one_picture(tmp_path: Path) -> None:
    scene = moving_scene(write_movie(tmp_path))
    clip, regions = scene.diffbmp.clip, scene.diffbmp.regions
    clip.start, clip.scene_start = 3, 11
    mask = make_mask("fading")
    add_square(mask.layers[0], 0.2, 0.8)
    for at, alpha in ((11, 1.0), (14, 0.0)):
        mask.layers[0].alpha = alpha
        mask.layers[0].keyframe_insert("alpha", frame=at)
    for name in ("moving", "still", "rest"):
        regions.entries.add().name = name
    regions.overall.source, regions.overall.mask = "mask", mask
    for index, invert in ((0, False), (1, True)):
        area = regions.entries[index].area
        area.source, area.image, area.invert = "image", make_image("half", frame(6) / 255), invert
    regions.entries[0].area.image = scene.diffbmp.target.image
    scene.frame_set(2)
    job = job_of(scene, tmp_path / "job")
    assert scene.frame_current == 2
    found = pictures(job.mask)
    assert list(found) == [f"{number:04d}" for number in range(1, 7)]  # as the target's frames are numbered
    assert [int(found[name][12, 16, 0]) for name in ("0003", "0006")] == [255, 0]
    assert 0 < found["0005"][12, 16, 0] < found["0004"][12, 16, 0] < 255
    files = [Path(region.mask) for region in job.regions]
    assert files[0] == tmp_path / "movie.mkv"
    assert [file.is_file() for file in files[1:]] == [True, True]


def test_masks_of_movies_that_are_inverted_become_pictures(tmp_path: Path) -> None:
    scene = moving_scene(write_movie(tmp_path))
    overall = scene.diffbmp.regions.overall
    overall.source, overall.image, overall.invert = "image", scene.diffbmp.target.image, True
    found = pictures(job_of(scene, tmp_path / "job").mask)
    assert [int(found[f"{number:04d}"][0, -1, 0]) for number in (1, 6)] == [255 - 40, 255 - 240]


def test_the_alpha_of_a_moving_target_is_a_mask(tmp_path: Path) -> None:
    scene, stage = make_scene(), make_moving_stage()
    target = scene.diffbmp.target
    target.source, target.scene, target.transparent, target.moving = "SCENE", stage, True, True
    scene.diffbmp.regions.overall.source = "alpha"
    found = pictures(job_of(scene, tmp_path / "job").mask)
    assert [int(found[name][12, 18, 0]) for name in ("0001", "0003")] == [255, 0]


def test_silhouettes_follow_their_objects(tmp_path: Path) -> None:
    scene, stage = make_scene(), make_moving_stage()
    target, overall = scene.diffbmp.target, scene.diffbmp.regions.overall
    target.source, target.scene, target.moving = "SCENE", stage, True
    overall.source, overall.object, overall.camera = "object", stage.objects["red"], stage.camera
    stage.frame_end = 12
    found = pictures(job_of(scene, tmp_path / "job").mask)
    assert [int(found["0001"][12, column, 0]) for column in (6, 18)] == [0, 255]
    assert [int(found["0002"][12, column, 0]) for column in (6, 18)] == [255, 0]


def test_which_targets_can_move(tmp_path: Path) -> None:
    scene = make_scene()
    target = scene.diffbmp.target
    assert not can_move(scene)
    target.moving = True
    assert not moves(scene)
    target.image = bpy.data.images.load(str(write_movie(tmp_path)))
    assert moves(scene)
    target.source = "OBJECT"
    assert moves(scene)


def test_a_movie_as_a_still_target_says_how_it_moves(tmp_path: Path) -> None:
    scene = moving_scene(write_movie(tmp_path))
    scene.diffbmp.target.moving = False
    with pytest.raises(UserError, match=r"The image movie\.mkv is a movie, but .*: turn on the target's Animation"):
        job_of(scene, tmp_path / "job")


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    movie = write_movie(tmp_path)
    scene = moving_scene(movie)
    clip = scene.diffbmp.clip
    clip.end = 99
    with pytest.raises(UserError, match=r"The target movie\.mkv has 6 frames, but 1 to 99 are asked for"):
        job_of(scene, tmp_path / "late")
    clip.start, clip.end = 4, 2
    with pytest.raises(UserError, match="ends at frame 2, before it starts at 4"):
        job_of(scene, tmp_path / "swapped")
    clip.start = clip.end = 0
    movie.unlink()
    with pytest.raises(UserError, match=r"The image movie\.mkv has no frames: .*movie\.mkv does not exist"):
        job_of(scene, tmp_path / "gone")
    first = write_sequence(tmp_path / "shot")
    (tmp_path / "shot" / "shot_0003.png").unlink()
    scene.diffbmp.target.image = bpy.data.images.load(str(first))
    scene.diffbmp.target.image.source = "SEQUENCE"
    with pytest.raises(UserError, match=r"shot_0001\.png has no picture 3"):
        job_of(scene, tmp_path / "gap")
    assert not why_not_optimize(scene).startswith("Choose")


def test_a_clip_that_shows_nothing_is_named(tmp_path: Path) -> None:
    scene, stage = make_scene(), make_moving_stage()
    for item in ("red", "blue"):
        stage.objects[item].hide_render = True
    target = scene.diffbmp.target
    target.source, target.scene, target.transparent, target.moving = "SCENE", stage, True, True
    with pytest.raises(UserError, match="The target Stage is fully transparent in all of its 3 frames"):
        job_of(scene, tmp_path / "job")
    assert stage.frame_current == 12


def test_settings_of_a_clip_are_saved_with_the_file(tmp_path: Path) -> None:
    scene = make_scene()
    scene.diffbmp.clip.fade, scene.diffbmp.target.moving = 9, True
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    settings = bpy.context.scene.diffbmp
    assert (settings.clip.fade, settings.target.moving) == (9, True)


def test_output_settings_are_untouched(tmp_path: Path) -> None:
    """Also the settings that only a movie has."""
    scene, stage = make_scene(), make_moving_stage()
    set_still_image(stage.render.image_settings)
    target = scene.diffbmp.target
    target.source, target.scene, target.moving = "SCENE", stage, True
    job_of(scene, tmp_path / "job")
    assert stage.render.image_settings.file_format == "PNG"
    assert stage.render.image_settings.color_mode == "RGB"


def numbered(folder: Path, grays: list[int], name: str = "m_{:04d}.png") -> Path:
    """The first of a sequence of pictures that are gray all over."""
    folder.mkdir()
    for number, gray in enumerate(grays, 1):
        write_png(folder / name.format(number), np.full((6, 8, 4), (gray, gray, gray, 255), np.uint8))
    return folder / name.format(1)


@pytest.mark.parametrize("aspect", ["TARGET", "CUSTOM"])
def test_masks_that_are_sequences_keep_step_with_the_target(tmp_path: Path, aspect: str) -> None:
    grays = [40, 80, 120, 160, 200, 240]
    scene = moving_scene(numbered(tmp_path / "target", grays), "SEQUENCE")
    scene.diffbmp.clip.start, scene.diffbmp.target.aspect = 3, aspect
    overall = scene.diffbmp.regions.overall
    overall.source, overall.image = "image", bpy.data.images.load(str(numbered(tmp_path / "mask", grays)))
    overall.image.source = "SEQUENCE"
    job = job_of(scene, tmp_path / "job")
    found = [int(picture[0, 0, 0]) for picture in pictures(job.mask).values()]
    first = 1 if aspect == "CUSTOM" else 3
    assert found[first - 1 :] == [120, 160, 200, 240]


def test_sequences_that_the_backend_cannot_number_are_written_for_it(tmp_path: Path) -> None:
    scene = moving_scene(numbered(tmp_path / "target", [40, 80, 120], "shot_{:04d}_beauty.png"), "SEQUENCE")
    job = job_of(scene, tmp_path / "job")
    assert job.target == str(tmp_path / "job" / "target")
    assert len(pictures(job.target)) == 3


def test_a_sequence_may_end_before_its_gap(tmp_path: Path) -> None:
    first = numbered(tmp_path / "target", [40, 80, 120])
    (tmp_path / "target" / "m_0009.png").write_bytes(first.read_bytes())
    scene = moving_scene(first, "SEQUENCE")
    with pytest.raises(UserError, match="has no picture 4: render it, or set the animation's End to 3 at most"):
        job_of(scene, tmp_path / "job")
    scene.diffbmp.clip.end = 3
    clip = job_of(scene, tmp_path / "again").clip
    assert clip is not None
    assert clip.end == 3
