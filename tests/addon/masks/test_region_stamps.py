"""Regions of a job: which stamps and settings each gets."""

from __future__ import annotations

from pathlib import Path

import bpy
import numpy as np
import pytest
from diffbmp.backend.job import Limits, UserError
from diffbmp.backend.job.job import Job
from diffbmp.operators.fit.collect import write_job
from diffbmp.operators.stamps.properties import refresh

from tests.addon.support.pictures import disc, make_image
from tests.addon.support.scenes import add_stamp, make_scene


def add_region(name: str, image: bpy.types.Image, stamps: bpy.types.Collection | None) -> bpy.types.PropertyGroup:
    bpy.ops.diffbmp.add_region()
    region = bpy.context.scene.diffbmp.regions.entries[-1]
    region.name, region.area.source, region.area.image, region.stamps = name, "image", image, stamps
    return region


def new_stamps(name: str, *images: str) -> bpy.types.Collection:
    collection = bpy.data.collections.new(name)
    for image in images:
        add_stamp(collection, make_image(image, disc(8)))
    return collection


def test_each_region_has_its_stamps_and_settings(tmp_path: Path) -> None:
    scene = make_scene()
    white = make_image("white", np.ones((8, 8, 4)))
    flowers = add_region("hair", white, new_stamps("Flowers", "rose.png", "lily.png"))
    add_region("dress", white, None)
    flowers.share = 2.0
    flowers.own_limits, flowers.limits.stretch = True, 2.0
    flowers.own_look, flowers.look.order, flowers.look.spacing = True, "small_front", 1.0
    scene.diffbmp.limits.mirror = True
    assert write_job(scene, tmp_path) == []
    job = Job.load(tmp_path)
    hair, dress = job.regions
    assert [job.templates[index].name for index in hair.stamps] == ["lily", "rose"]
    assert [job.templates[index].name for index in dress.stamps] == ["disc"]
    assert {job.templates[index].limits for index in hair.stamps} == {Limits(stretch=2.0)}
    assert job.templates[dress.stamps[0]].limits == Limits(mirror=True)
    assert (hair.share, dress.share, dress.settings) == (2.0, 0.0, {})
    assert (hair.settings["order"], hair.settings["spacing"]) == ("small_front", 0.01)


def test_a_stamp_of_two_regions_is_written_once(tmp_path: Path) -> None:
    scene = make_scene()
    white = make_image("white", np.ones((8, 8, 4)))
    first, second = (add_region(name, white, scene.diffbmp.stamps.collection) for name in ("a", "b"))
    assert first.name == "a"
    second.own_limits, second.limits.stretch = True, 3.0
    write_job(scene, tmp_path)
    job = Job.load(tmp_path)
    assert [spec.limits.stretch for spec in job.templates] == [1.0, 3.0]
    assert len({spec.file for spec in job.templates}) == 1
    assert len(list((tmp_path / "templates").iterdir())) == 1


def test_a_stamp_added_by_hand_can_belong_to_a_region(tmp_path: Path) -> None:
    scene = make_scene()
    collection = new_stamps("Flowers")
    add_region("hair", make_image("white", np.ones((8, 8, 4))), collection)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"^The region hair has no stamps: the collection Flowers holds none"):
        write_job(scene, tmp_path / "empty")
    scene.diffbmp.stamps.pick = make_image("picked", disc(8))
    scene.diffbmp.stamps.entries["picked"].group = collection
    write_job(scene, tmp_path)
    job = Job.load(tmp_path)
    assert [job.templates[index].name for index in job.regions[0].stamps] == ["picked"]


def test_stamps_of_a_region_that_is_gone_leave_the_list() -> None:
    scene = make_scene()
    add_region("hair", make_image("white", np.ones((8, 8, 4))), new_stamps("Flowers", "rose.png"))
    refresh(scene.diffbmp.stamps)
    assert [stamp.name for stamp in scene.diffbmp.stamps.entries] == ["disc", "rose"]
    bpy.ops.diffbmp.remove_region()
    refresh(scene.diffbmp.stamps)
    assert [stamp.name for stamp in scene.diffbmp.stamps.entries] == ["disc"]
