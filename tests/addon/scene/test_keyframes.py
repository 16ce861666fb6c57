"""Clips as planes with F-curves: few keys, true to the layout within the tolerance, and nothing seen by mistake."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import bpy
import numpy as np
import pytest
from diffbmp.backend.job.layout import Layout
from diffbmp.operators.scene.build import Form, build_scene
from diffbmp.operators.scene.keyframes import LEVELS_PER_PIXEL
from diffbmp.operators.scene.planes import UNIT, Transforms, transforms
from diffbmp.operators.scene.thinning import thinned

from tests.addon.support.clip_layouts import clip_layout
from tests.addon.support.layouts import Array, write_layout
from tests.addon.support.work import work_of

CUT = 20


@pytest.fixture
def film(tmp_path: Path) -> tuple[Layout, Path]:
    layout, bitmaps = clip_layout(25, 40, cut=CUT, relocating=0.3, start=11)
    write_layout(tmp_path / "layout", layout, bitmaps)
    return layout, tmp_path / "layout"


def planes_of(scene: bpy.types.Scene) -> list[bpy.types.Object]:
    """Returns the planes in the layout's order."""
    planes = [item for item in scene.collection.all_objects if item.type == "MESH"]
    return sorted(planes, key=lambda plane: plane.name[-3:].lstrip("_").zfill(3))


def curves_of(plane: bpy.types.Object) -> dict[tuple[str, int], bpy.types.FCurve]:
    motion = plane.animation_data
    if motion is None or motion.action is None:
        return {}
    bag = motion.action.layers[0].strips[0].channelbag(motion.action_slot)
    return {(curve.data_path, curve.array_index): curve for curve in bag.fcurves}


def value(plane: bpy.types.Object, path: str, index: int, at: float) -> float:
    curve = curves_of(plane).get((path, index))
    if curve:
        return float(curve.evaluate(at))
    held = getattr(plane, path)
    return float(held if isinstance(held, bool) else held[index])


def hidden(plane: bpy.types.Object, at: float) -> bool:
    return value(plane, "hide_render", 0, at) > 0.5 or value(plane, "color", 3, at) <= 0.0


def errors(layout: Layout, planes: list[bpy.types.Object]) -> dict[str, Array]:
    """Returns the curves' errors in frames where something is seen: places and edges in px, others in levels."""
    exact: Transforms = transforms(layout)
    reach = np.linalg.norm(exact.scale, axis=2) / UNIT
    seen = layout.opacity > 0
    parts = {
        "location": (exact.location, UNIT),
        "scale": (exact.scale, UNIT),
        "rotation_euler": (np.stack([exact.rotation * 0, exact.rotation * 0, exact.rotation], 2), 1 / reach[..., None]),
        "color": (exact.color, 1 / 255),
    }
    found = {}
    for path, (values, unit) in parts.items():
        curves = [
            [[value(p, path, i, at) for i in range(values.shape[2])] for p in planes]
            for at in map(float, layout.frames)
        ]
        found[path] = (np.abs(np.array(curves) - values) / unit)[seen]
    return found


@pytest.mark.parametrize("tolerance", [0.0, 0.25, 1.0])
def test_planes_are_within_the_tolerance(film: tuple[Layout, Path], tolerance: float) -> None:
    layout, folder = film
    off = errors(layout, planes_of(build_scene(folder, "film", 1, Form("PLANES", tolerance))))
    for path in ("location", "scale", "rotation_euler"):
        assert off[path].max() <= tolerance + 1e-3, path
    assert off["location"][:, 2].max() < 1e-3
    assert off["color"].max() <= tolerance * LEVELS_PER_PIXEL + 1e-3


def test_a_plane_is_shown_where_and_while_the_layout_says(film: tuple[Layout, Path]) -> None:
    layout, folder = film
    planes = planes_of(build_scene(folder, "film", 1, Form("PLANES", 0.25)))
    for row, plane in enumerate(planes):
        for frame, number in enumerate(layout.frames):
            assert hidden(plane, number) == (layout.opacity[frame, row] == 0), (plane.name, number)


def test_nothing_flashes_between_frames(film: tuple[Layout, Path]) -> None:
    """Where a plane is seen between two frames, it is between, or near, its places in them."""
    layout, folder = film
    planes = planes_of(build_scene(folder, "film", 1, Form("PLANES", 0.25)))
    x = transforms(layout).location[..., 0] / UNIT
    for row, plane in enumerate(planes):
        for frame in range(len(layout.frames) - 1):
            pair = layout.opacity[frame : frame + 2, row]
            at = layout.frames[frame] + 0.5
            if frame + 1 == CUT:
                assert hidden(plane, at) == (pair[0] == 0)
            elif not pair.any():
                assert hidden(plane, at)
            else:
                shown = [x[frame + i, row] for i in (0, 1) if pair[i] > 0]
                assert min(shown) - 3 <= value(plane, "location", 0, at) / UNIT <= max(shown) + 3


def test_what_never_changes_has_no_curve(film: tuple[Layout, Path]) -> None:
    layout, folder = film
    planes = planes_of(build_scene(folder, "film", 1, Form("PLANES", 0.25)))
    still = (np.ptp(layout.x, 0) == 0).nonzero()[0]
    assert len(still)
    for row in still:
        assert {path for path, _ in curves_of(planes[row])} <= {"color", "hide_render", "hide_viewport"}


def test_scene_runs_as_the_clip_does(film: tuple[Layout, Path]) -> None:
    layout, folder = film
    layout.fps = 23.976
    layout.save(folder)
    scene = build_scene(folder, "film", 1)
    assert (scene.frame_start, scene.frame_end, scene.frame_current) == (11, 50, 11)
    assert scene.render.fps / scene.render.fps_base == pytest.approx(23.976)


def test_a_quarter_of_the_keys_suffices() -> None:
    layout, _ = clip_layout(300, 60, width=512, height=512)
    exact = transforms(layout)
    times = np.array(layout.frames, float)
    values = np.ascontiguousarray(exact.location[..., 0].T) / UNIT
    none = np.zeros(values.shape, np.bool_)
    keys, _ = thinned(times, values, np.full(values.shape, 0.25), none)
    assert keys.sum() < 0.25 * values.size


def keys_of(scene: bpy.types.Scene) -> int:
    curves = (curve for plane in planes_of(scene) for curve in curves_of(plane).values())
    return sum(len(curve.keyframe_points) for curve in curves)


def test_each_keyed_plane_is_little_work(tmp_path: Path) -> None:
    """A curve gets all its keys at once."""
    works, keys = [], []
    for count, frames in ((50, 60), (200, 60), (400, 60), (400, 120)):  # the first fills caches
        folder = tmp_path / f"{count} {frames}"
        write_layout(folder, *clip_layout(count, frames, width=512, height=512))
        works.append(work_of(partial(build_scene, folder, folder.name, 1, Form("PLANES", 0.25))))
        keys.append(keys_of(bpy.data.scenes[f"DiffBMP {folder.name}"]))
        assert keys[-1] < 0.25 * 9 * frames * count
    _, few, many, longer = works
    assert many.calls - few.calls <= 220 * 200
    assert longer.calls - many.calls <= 0.1 * many.calls
    assert keys[3] > 1.5 * keys[2]
    assert few.updates == many.updates == longer.updates == 0
