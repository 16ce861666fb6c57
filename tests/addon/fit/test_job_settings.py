"""The scene's properties: their defaults, how they follow each other, and how they reach the backend."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import PRESETS, Limits, Settings, UserError
from diffbmp.backend.job.job import Job
from diffbmp.operators.blender.images import read_image
from diffbmp.operators.fit.collect import write_job
from diffbmp.operators.fit.job_settings import fit_settings, stamp_limits, unused_settings
from diffbmp.operators.fit.optimize import why_not_optimize

from tests.addon.support.pictures import disc, make_image, picture
from tests.addon.support.scenes import add_stamp, make_scene


def written_job(scene: bpy.types.Scene, folder: Path) -> Job:
    assert write_job(scene, folder) == []
    return Job.load(folder)


def set_everything(scene: bpy.types.Scene) -> None:
    """Sets the limits and the look to values other than the defaults."""
    limits, look = scene.diffbmp.limits, scene.diffbmp.look
    limits.stretch, limits.mirror = 3.3, True
    limits.size_min, limits.size_max = 0.7, 33.3
    limits.free_rotation = False
    limits.rotation_min, limits.rotation_max = math.radians(-30), math.radians(95)
    limits.opacity_min, limits.opacity_max = 0.3, 0.9
    limits.usage, limits.most = "shares", 25
    look.order, look.spacing = "small_front", 1.3
    look.match, look.structure, look.outlines, look.inside = "crisp", 0.2, 0.6, 1.0
    look.palette, look.palette_size = "given", 5
    for color in ((0.2, 0.4, 0.6), (1, 0, 0)):
        look.colors.add().color = color
    scene.diffbmp.fit.time_limit = 12.5
    scene.diffbmp.fit.recording = 60


def test_defaults_are_those_of_the_backend() -> None:
    scene = bpy.context.scene
    assert fit_settings(scene) == Settings()
    assert stamp_limits(scene) == Limits()


def test_the_job_holds_what_was_set(tmp_path: Path) -> None:
    scene = make_scene()
    add_stamp(scene.diffbmp.stamps.collection, make_image("second", disc(8)))
    set_everything(scene)
    job = written_job(scene, tmp_path)
    wanted = Limits(
        stretch=3.3,
        mirror=True,
        size_range=(0.007, 0.333),
        rotation_range=(-0.523599, 1.658063),
        opacity_range=(0.3, 0.9),
        most=25,
    )
    assert [spec.limits for spec in job.templates] == [wanted, wanted]
    assert job.settings == Settings(
        count=20,
        size=48,
        iterations=10,
        time_limit=12.5,
        losses={"l1": 1.0, "ssim": 0.02, "edge": 0.06, "boundary": 0.1},
        palette=[(0.2, 0.4, 0.6), (1.0, 0.0, 0.0)],
        usage="shares",
        spacing=0.013,
        order="small_front",
        recording=60,
    )
    assert job.importance == ""


def test_importance_is_written_like_the_target(tmp_path: Path) -> None:
    scene = make_scene()
    paint = np.random.default_rng(1).integers(0, 256, (9, 5, 4)) / 255
    scene.diffbmp.target.importance = make_image("importance", paint)
    job = written_job(scene, tmp_path)
    assert job.importance == str(tmp_path / "importance" / "0001.png")
    written = read_image(bpy.data.images.load(job.importance))
    np.testing.assert_array_equal(written, np.rint(paint * 255).astype(np.uint8))
    np.testing.assert_array_equal(np.load(job.target), np.rint(picture() * 255).astype(np.uint8))


def test_a_missing_importance_image_is_named(tmp_path: Path) -> None:
    scene = make_scene()
    gone = bpy.data.images.new("gone", 4, 4)
    gone.source, gone.filepath = "FILE", "//gone.png"
    scene.diffbmp.target.importance = gone
    with pytest.raises(UserError, match=r"^The image gone has no pixels: "):
        write_job(scene, tmp_path)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [("tint", ("tint", 0.3)), ("mix", ("mix", 0.3)), ("multiply", ("multiply", 0.3)), ("original", ("mix", 1.0))],
)
def test_color_modes(tmp_path: Path, mode: str, expected: tuple[str, float]) -> None:
    scene = make_scene()
    scene.diffbmp.stamps.mode, scene.diffbmp.stamps.blend = mode, 0.3
    (spec,) = written_job(scene, tmp_path).templates
    assert (spec.mode, spec.blend) == expected


def test_opaque_only_wins_over_the_range() -> None:
    limits = bpy.context.scene.diffbmp.limits
    limits.opacity_max, limits.opaque = 0.5, True
    assert stamp_limits(bpy.context.scene).opacity_range == (1.0, 1.0)


def test_a_rotation_range_is_used_only_without_free_rotation() -> None:
    limits = bpy.context.scene.diffbmp.limits
    limits.rotation_min = 0.0
    assert stamp_limits(bpy.context.scene).rotation_range == Limits().rotation_range
    limits.free_rotation = False
    assert stamp_limits(bpy.context.scene).rotation_range == (0.0, 0.785398)


@pytest.mark.parametrize("name", ["size", "rotation", "opacity"])
def test_limits_keep_their_order(name: str) -> None:
    limits = bpy.context.scene.diffbmp.limits
    lower, upper = f"{name}_min", f"{name}_max"
    setattr(limits, upper, 0.5)
    setattr(limits, lower, 0.75)
    assert (getattr(limits, lower), getattr(limits, upper)) == (0.75, 0.75)
    setattr(limits, upper, 0.25)
    assert (getattr(limits, lower), getattr(limits, upper)) == (0.25, 0.25)
    setattr(limits, upper, 0.5)
    assert getattr(limits, lower) == 0.25


def test_limits_never_make_a_stamp_invisible() -> None:
    limits = bpy.context.scene.diffbmp.limits
    limits.size_max = limits.opacity_max = 0.0
    assert stamp_limits(bpy.context.scene).size_range == (0.0, 0.001)
    assert stamp_limits(bpy.context.scene).opacity_range == (0.0, 0.01)


def test_preset_and_steps_follow_each_other() -> None:
    fit = bpy.context.scene.diffbmp.fit
    assert (fit.preset, fit.steps) == ("normal", PRESETS["normal"]["iterations"])
    for name, values in PRESETS.items():
        assert values.keys() == {"iterations"}, "properties.py sets nothing else"
        fit.preset = name
        assert (fit.preset, fit.steps) == (name, values["iterations"])
    fit.steps = 77
    assert (fit.preset, fit.steps) == ("custom", 77)
    fit.preset = "draft"
    fit.preset = "custom"
    assert fit.steps == PRESETS["draft"]["iterations"]
    fit.preset = "draft"
    fit.steps = PRESETS["draft"]["iterations"]
    assert fit.preset == "draft"


def test_colors_from_the_target() -> None:
    look = bpy.context.scene.diffbmp.look
    look.palette, look.palette_size = "target", 6
    look.colors.add()
    settings = fit_settings(bpy.context.scene)
    assert (settings.palette_size, settings.palette) == (6, [])


def test_colors_are_added_and_removed() -> None:
    look = bpy.context.scene.diffbmp.look
    for value in (0.25, 0.5, 0.75):
        assert bpy.ops.diffbmp.add_color() == {"FINISHED"}
        look.colors[-1].color = (value, value, value)
    assert bpy.ops.diffbmp.remove_color(index=1) == {"FINISHED"}
    assert [item.color[0] for item in look.colors] == [0.25, 0.75]
    with pytest.raises(RuntimeError, match="There is no color 2: the list has 2"):
        bpy.ops.diffbmp.remove_color(index=2)


def test_a_palette_without_colors_is_named(tmp_path: Path) -> None:
    scene = make_scene()
    scene.diffbmp.look.palette = "given"
    assert why_not_optimize(scene) == "Add a color to the palette"
    with pytest.raises(UserError, match="The palette has no colors: add at least one"):
        write_job(scene, tmp_path)


def test_preferences_alone_keep_the_match() -> None:
    look = bpy.context.scene.diffbmp.look
    look.follow, look.flow, look.apart = 0.5, 0.1, 1.0
    expected = {"mse": 1.0, "alignment": 0.05, "smoothness": 0.01, "overlap": 0.01}
    assert fit_settings(bpy.context.scene).losses == expected
    look.match = "brightness"
    assert fit_settings(bpy.context.scene).losses == {"gray_mse": 1.0, **dict(list(expected.items())[1:])}


def test_the_published_recipe_gets_no_settings_that_it_ignores(tmp_path: Path) -> None:
    scene = make_scene()
    scene.diffbmp.fit.recipe = "paper"
    assert unused_settings(scene) == ""
    set_everything(scene)
    scene.diffbmp.target.importance = make_image("importance", picture())
    (sentence,) = write_job(scene, tmp_path)
    assert sentence.startswith("The stamps' limits and the look, because the recipe Published")
    job = Job.load(tmp_path)
    assert job.settings == Settings(count=20, size=48, iterations=10, recipe="paper", time_limit=12.5, recording=60)
    assert [spec.limits for spec in job.templates] == [Limits()]
    assert job.importance == ""


def test_everything_is_saved_with_the_file(tmp_path: Path) -> None:
    scene = make_scene()
    set_everything(scene)
    scene.diffbmp.target.importance = make_image("importance", picture())
    scene.diffbmp.fit.preset = "high"
    before = fit_settings(scene), stamp_limits(scene)
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    scene = bpy.context.scene
    assert (fit_settings(scene), stamp_limits(scene)) == before
    assert scene.diffbmp.fit.preset == "high"
    assert scene.diffbmp.target.importance.name == "importance"
