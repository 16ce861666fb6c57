"""Animations rendered to movies and pictures, read back frame by frame."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.blender.frames import movie_frames, movie_rate
from diffbmp.operators.blender.images import read_image
from diffbmp.operators.output.render_animation import check_output, output_path, render_animation
from numpy.typing import NDArray

from tests.addon.support.stages import make_stage

Array = NDArray[Any]

FRAMES = (9, 10, 11)
LOSSY = {"MP4": 2.5, "PRORES": 2.0}
"""Greatest mean error in 8-bit levels, of colors that their chroma blurs."""


def make_animation(*, transparent: bool = False, size: tuple[int, int] = (48, 24)) -> bpy.types.Scene:
    """The stage, whose red rectangle leaves to the left."""
    stage = make_stage()
    item = stage.objects["red"]
    for at, x in ((9, 0), (11, -2)):
        item.location.x = x
        item.keyframe_insert("location", index=0, frame=at)
    stage.frame_start, stage.frame_end, stage.render.fps = FRAMES[0], FRAMES[-1], 12
    stage.render.resolution_x, stage.render.resolution_y = size
    stage.render.resolution_percentage = 100
    stage.render.film_transparent = transparent
    return stage


def output_settings(scene: bpy.types.Scene) -> dict[str, object]:
    render = scene.render
    found = {name: getattr(render.image_settings, name) for name in ("file_format", "color_mode", "color_depth")}
    for name in ("format", "codec", "constant_rate_factor", "audio_codec"):
        found[f"movie {name}"] = getattr(render.ffmpeg, name)
    return {**found, "path": render.filepath, "extension": render.use_file_extension}


def pictures(scene: bpy.types.Scene, folder: Path) -> list[Array]:
    render_animation(scene, str(folder), "PNG")
    return [read_image(bpy.data.images.load(str(folder / f"{frame:04d}.png"))) for frame in FRAMES]


@pytest.mark.parametrize(
    ("kind", "name", "transparent"),
    [
        ("MP4", "film.mp4", False),
        ("LOSSLESS", "film.mkv", False),
        ("LOSSLESS", "film.mkv", True),
        ("PRORES", "film.mov", False),
        ("PRORES", "film.mov", True),
    ],
)
def test_movies_show_the_frames(tmp_path: Path, kind: str, name: str, transparent: bool) -> None:
    scene = make_animation(transparent=transparent)
    before = output_settings(scene)
    written = render_animation(scene, str(tmp_path / "new" / name), kind)
    assert written == tmp_path / "new" / name
    assert [path.name for path in written.parent.iterdir()] == [name]
    assert output_settings(scene) == before
    assert movie_rate(written) == 12
    expected = pictures(scene, tmp_path / "png")
    for picture, found in zip(expected, movie_frames(written, (1, 2, 3)), strict=True):
        if kind == "LOSSLESS":
            np.testing.assert_array_equal(found, picture)
            continue
        shown = picture[..., 3:] > 0
        assert np.abs((found.astype(int) - picture) * shown).mean() < LOSSY[kind]
        assert np.abs(found[..., 3].astype(int) - picture[..., 3]).max() <= 2


@pytest.mark.skipif(find_spec("av") is None, reason="reads the file as another program does")
def test_another_program_reads_the_lossless_movie(tmp_path: Path) -> None:
    import av

    scene = make_animation()
    expected = pictures(scene, tmp_path / "png")
    with av.open(str(render_animation(scene, str(tmp_path / "film"), "LOSSLESS"))) as movie:
        found = [frame.to_ndarray(format="rgb24") for frame in movie.decode(video=0)]
    np.testing.assert_array_equal(found, [picture[..., :3] for picture in expected])


def test_pictures_are_numbered_and_transparent(tmp_path: Path) -> None:
    scene = make_animation(transparent=True)
    before = output_settings(scene)
    found = pictures(scene, tmp_path / "png")
    assert sorted(path.name for path in (tmp_path / "png").iterdir()) == ["0009.png", "0010.png", "0011.png"]
    assert [int(picture[12, 18, 3]) for picture in found] == [255, 0, 0]
    assert found[0][12, 30].tolist() == [0, 0, 255, 255]
    assert output_settings(scene) == before


def test_settings_are_kept_on_demand(tmp_path: Path) -> None:
    scene = make_animation()
    render_animation(scene, str(tmp_path / "film"), "LOSSLESS", keep=True)
    assert (scene.render.ffmpeg.codec, scene.render.filepath) == ("FFV1", str(tmp_path / "film.mkv"))


def test_output_paths(tmp_path: Path) -> None:
    scene = make_animation()
    for path, name in (("a", "a.mp4"), ("a.mp4", "a.mp4"), ("a.MP4", "a.mp4"), ("a.b", "a.b.mp4"), ("{x}", "{x}.mp4")):
        assert output_path(scene, f"{tmp_path}/{path}", "MP4") == tmp_path / name
    assert output_path(scene, f"{tmp_path}/a/", "PNG") == tmp_path / "a" / "Stage"
    assert output_path(scene, f"{tmp_path}/a", "PNG") == tmp_path / "a"
    assert output_path(scene, f"{tmp_path}/", "MP4") == tmp_path / "Stage.mp4"
    with pytest.raises(UserError, match="There is no output"):
        output_path(scene, "", "MP4")
    with pytest.raises(UserError, match="which was never saved: save it, or choose another place"):
        output_path(scene, "//a.mp4", "MP4")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    scene = bpy.data.scenes["Stage"]
    assert output_path(scene, "//render/", "LOSSLESS") == tmp_path / "render" / "Stage.mkv"


def test_only_lossless_movies_have_odd_sizes(tmp_path: Path) -> None:
    scene = make_animation(size=(47, 25))
    for kind, name in (("MP4", "MP4"), ("PRORES", "ProRes 4444")):
        with pytest.raises(UserError, match=f"{name} needs an even width and height, but .* has 47 x 25 pixels"):
            render_animation(scene, str(tmp_path / "film"), kind)
    (found,) = movie_frames(render_animation(scene, str(tmp_path / "film"), "LOSSLESS"), (1,))
    assert found.shape == (25, 47, 4)


def test_impossible_output_is_named(tmp_path: Path) -> None:
    scene = make_animation(transparent=True)
    before = output_settings(scene)
    with pytest.raises(UserError, match="MP4 holds no transparency, but the scene Stage is transparent"):
        render_animation(scene, str(tmp_path / "film"), "MP4")
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(
        UserError, match=r"file.* cannot be written to \(.*\): see that there is .*, or choose another place"
    ):
        render_animation(scene, str(tmp_path / "file" / "film"), "LOSSLESS")
    (tmp_path / "old.mkv").write_text("of earlier")
    found = (tmp_path / "old.mkv").stat()
    with pytest.raises(UserError, match=r"old\.mkv was not written: see that there is space"):
        check_output(scene, tmp_path / "old.mkv", (found.st_mtime_ns, found.st_size))
    scene.camera = None
    with pytest.raises(UserError, match="The scene Stage has no camera: add one"):
        render_animation(scene, str(tmp_path / "film"), "LOSSLESS")
    assert output_settings(scene) == before


def test_the_operator_renders_the_scene_that_it_names(tmp_path: Path) -> None:
    scene = make_animation()
    scene.diffbmp.output.kind, scene.diffbmp.output.path = "LOSSLESS", str(tmp_path / "film")
    assert bpy.ops.diffbmp.render_animation(scene="Stage") == {"FINISHED"}
    assert (tmp_path / "film.mkv").stat().st_size > 0
    with pytest.raises(RuntimeError, match="There is no scene nowhere"):
        bpy.ops.diffbmp.render_animation(scene="nowhere")
