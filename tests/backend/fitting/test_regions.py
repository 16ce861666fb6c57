"""Regions with stamps of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from backend.control import Control
from backend.fitting.regions import Region, counts_of, fit_regions, parts_of, settings_of, shown
from backend.fitting.reporter import Snapshot
from backend.job import RegionSpec, Settings, TemplateSpec, UserError
from backend.job.job import Job
from backend.job.layout import Layout
from backend.job.messages import Done, Event
from backend.layouts.rendering import render_layout
from backend.native.arrays import FloatArray
from backend.runs import run_job
from backend.templates import Template, Templates

SIZE = 512


def drawn(*shapes: tuple[str, list[tuple[float, float]], int]) -> FloatArray:
    """A mask of shapes whose coordinates go to 1, anti-aliased: [SIZE, SIZE]."""
    image = Image.new("L", (4 * SIZE, 4 * SIZE))
    for kind, points, fill in shapes:
        getattr(ImageDraw.Draw(image), kind)([(4 * SIZE * x, 4 * SIZE * y) for x, y in points], fill=fill)
    return np.array(image.resize((SIZE, SIZE), Image.Resampling.BOX), np.float32) / np.float32(255)


def regions() -> list[Region]:
    """A disc, a star and the letter A, a kind of stamp each."""
    disc = drawn(("ellipse", [(0.04, 0.04), (0.47, 0.47)], 255))
    turns = [np.pi * i / 5 for i in range(10)]
    radii = [0.22, 0.088] * 5
    star = drawn(
        ("polygon", [(0.73 + r * np.sin(t), 0.25 - r * np.cos(t)) for r, t in zip(radii, turns, strict=True)], 255)
    )
    outline = [(0.34, 0.95), (0.46, 0.54), (0.54, 0.54), (0.66, 0.95), (0.585, 0.95)]
    outline += [(0.553, 0.84), (0.447, 0.84), (0.415, 0.95)]
    letter = drawn(("polygon", outline, 255), ("polygon", [(0.463, 0.776), (0.537, 0.776), (0.5, 0.635)], 0))
    masks = {"disc": disc, "star": star, "letter": letter}
    return [Region(name, mask, (index,)) for index, (name, mask) in enumerate(masks.items())]


def stamps() -> Templates:
    y, x = np.mgrid[-1:1:64j, -1:1:64j]
    round_, square = np.hypot(x, y), np.maximum(np.abs(x), np.abs(y))
    leaf = np.hypot(x, 2.5 * y)
    shapes = {"petal": round_, "tile": square / 0.9, "leaf": leaf}
    black = np.zeros((64, 64, 3))
    return Templates(
        [
            Template(name, np.dstack([black, 255 * np.clip(6 * (1 - edge), 0, 1)]).astype(np.uint8))
            for name, edge in shapes.items()
        ]
    )


def assert_close(found: FloatArray, wanted: FloatArray) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1.3e-6, atol=1e-5)


def picture(size: int = SIZE) -> FloatArray:
    y, x = np.mgrid[0 : 1 : size * 1j, 0 : 1 : size * 1j]
    return np.stack([x, y, 1 - x]).astype(np.float32)


def test_primitives_stay_in_their_regions_and_fill_them() -> None:
    """The promise: 99 % of each region's alpha inside, and 0.97 of minima over maxima of alpha and mask."""
    all_regions, templates = regions(), stamps()
    settings = Settings(count=600, engine="cpu", threads=2)
    layout = fit_regions(picture(), templates, settings, all_regions).layout
    assert layout.count == 600
    for number, region in enumerate(all_regions):
        own = layout.region == number
        assert set(layout.template[own]) == {number}
        per_frame = ("x", "y", "scale", "aspect", "rotation", "opacity", "color")
        alone = {name: getattr(layout, name)[:, own] for name in per_frame}
        alone |= {name: getattr(layout, name)[own] for name in ("template", "level", "region", "mirror", "locked")}
        alpha = render_layout(replace(layout, **alone), templates, transparent=True, engine="cpu")[3]
        assert alpha[region.mask > 0].sum() / alpha.sum() >= 0.99, region.name
    alpha = render_layout(layout, templates, transparent=True, engine="cpu")[3]
    mask = np.max([region.mask for region in all_regions], 0)
    assert np.minimum(alpha, mask).sum() / np.maximum(alpha, mask).sum() >= 0.97


def test_counts_go_by_area_or_by_share() -> None:
    masks = [np.zeros((4, 4), np.float32) for _ in range(3)]
    for mask, rows in zip(masks, (1, 1, 2), strict=True):
        mask[:rows] = 1
    plain = [Region(str(i), mask) for i, mask in enumerate(masks)]
    assert counts_of(plain, masks, 103) == [26, 26, 51]
    shared = [replace(plain[0], share=3.0), replace(plain[1], share=1.0), plain[2]]
    assert counts_of(shared, masks, 803) == [301, 101, 401]
    assert counts_of(plain, masks, 3) == [1, 1, 1]
    with pytest.raises(UserError, match="3 regions, but only 2"):
        counts_of(plain, masks, 2)


def test_progress_goes_through_all_regions_and_a_cancel_keeps_what_is_done() -> None:
    size = 48
    left, right = np.zeros((2, size, size), np.float32)
    left[:, :20], right[:, 28:] = 1, 1
    parts = [Region("left", left, (0,)), Region("right", right, (1, 2))]
    settings = Settings(count=20, iterations=6, engine="cpu", threads=1, preview_seconds=1e-6)
    seen: list[Snapshot] = []
    control = Control()
    whole = fit_regions(picture(size), stamps(), settings, parts, observer=seen.append, control=control)
    assert [s.step for s in seen] == sorted(s.step for s in seen)
    assert (seen[-1].step, seen[-1].total) == (12, 12)
    assert [s.step for s in seen].count(12) == 1
    previews = [s for s in seen if s.layout is not None and s.image is not None]
    assert previews[-1].layout is not None
    assert previews[-1].layout.count == 20
    assert whole.steps == 12
    assert set(whole.layout.region) == {0, 1}

    def cancel(snapshot: Snapshot) -> None:
        if snapshot.step == 2:
            control.cancel()

    some = fit_regions(picture(size), stamps(), settings, parts, observer=cancel, control=control)
    assert some.cancelled
    assert set(some.layout.region) == {0}


def test_a_job_with_regions_is_run(tmp_path: Path) -> None:
    colors = np.full((40, 60, 3), (200, 90, 30), np.uint8)
    Image.fromarray(colors).save(tmp_path / "target.png")
    for name, alpha in (("a", 255), ("b", 200)):
        Image.fromarray(np.full((9, 9, 4), alpha, np.uint8)).save(tmp_path / f"{name}.png")
        mask = np.zeros((40, 60), np.uint8)
        mask[:, slice(25) if name == "a" else slice(35, None)] = 255
        Image.fromarray(mask).save(tmp_path / f"mask_{name}.png")
    specs = [TemplateSpec(str(tmp_path / f"{name}.png")) for name in "ab"]
    parts = [RegionSpec(name, str(tmp_path / f"mask_{name}.png"), [i], 1.0 + i) for i, name in enumerate("ab")]
    settings = Settings(count=32, size=60, iterations=5, engine="cpu", threads=1)
    events: list[Event] = []
    run_job(
        Job(str(tmp_path / "target.png"), specs, settings, regions=parts), tmp_path / "out", events.append, Control()
    )
    layout = Layout.load(tmp_path / "out")
    assert np.bincount(layout.region).tolist() == [11, 21]
    assert (layout.template == layout.region).all()
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["count"] == 32
    assert metrics["iterations"] == 10
    # The empty middle is not judged.
    assert metrics["psnr"] > 18
    assert isinstance(events[-1], Done)


def test_what_cannot_be_fitted_is_named(tmp_path: Path) -> None:
    empty = [Region("sky", np.zeros((48, 48), np.float32))]
    with pytest.raises(UserError, match="region sky shows nothing"):
        fit_regions(picture(48), stamps(), Settings(count=5), empty)
    with pytest.raises(UserError, match="region sky uses the stamp 3"):
        Job("t.png", [TemplateSpec("a.png")], regions=[RegionSpec("sky", "m.png", [3])])
    job = Job("t.png", [TemplateSpec("a.png")], regions=[RegionSpec("sky", "m.png", [0], 2.0)])
    job.save(tmp_path)
    loaded = Job.load(tmp_path)
    assert loaded.regions == [RegionSpec("sky", str(tmp_path / "m.png"), [0], 2.0)]


def test_primitives_are_spent_where_they_are_seen() -> None:
    """What lies beneath a region in front needs none, and the seam does not open."""
    size = 128
    front, back = np.zeros((2, size, size), np.float32)
    front[20:100, 20:84] = back[10:118, 40:118] = 1
    parts = [Region("front", front, (0,)), Region("back", back, (1,))]
    settings = Settings(count=300, engine="cpu", threads=1)
    layout = fit_regions(picture(size), stamps(), settings, parts).layout
    seen = back * (1 - front)
    assert np.bincount(layout.region).tolist() == counts_of(parts, [front, seen], 300)
    beneath = (layout.x[0] > 44) & (layout.x[0] < 80) & (layout.y[0] > 24) & (layout.y[0] < 96) & (layout.region == 1)
    # A few that show at the edge have their center a little further in.
    assert beneath.sum() <= 0.02 * layout.count
    alpha = render_layout(layout, stamps(), transparent=True, engine="cpu")[3]
    union = np.maximum(front, back)
    assert np.minimum(alpha, union).sum() / np.maximum(alpha, union).sum() >= 0.96
    assert alpha[30:90, 80:88].mean() > 0.97
    with pytest.raises(UserError, match="region back lies completely beneath others"):
        fit_regions(picture(size), stamps(), settings, [parts[0], replace(parts[1], mask=front * back)])


def test_a_region_in_front_is_as_transparent_as_the_target() -> None:
    front, back, whole = (np.array([row], np.float32) for row in ((1, 0, 0.5), (1, 1, 1), (0.5, 0.5, 0.5)))
    _, behind = parts_of([Region("front", front), Region("back", back)], whole, True)
    over = front * whole + (1 - front * whole) * behind.weight
    assert_close(over, whole)
    _, behind = parts_of([Region("front", front), Region("back", back)], np.ones((1, 3), np.float32), True)
    assert_close(behind.weight, back)
    assert_close(behind.hidden, front)


def test_regions_may_have_their_own_settings(tmp_path: Path) -> None:
    size = 48
    left, right = np.zeros((2, size, size), np.float32)
    left[:, :20], right[:, 28:] = 1, 1
    red = (1.0, 0.0, 0.0)
    own = {"palette": [red], "spacing": 0.05, "order": "large_front"}
    parts = [Region("left", left, (0,), settings=own), Region("right", right, (1,))]
    settings = Settings(count=40, iterations=6, engine="cpu", threads=1)
    layout = fit_regions(picture(size), stamps(), settings, parts).layout
    of_left = layout.region == 0
    assert (layout.color[0, of_left] == red).all()
    assert not (layout.color[0, ~of_left] == red).all(1).any()
    assert (np.diff(layout.scale[0, of_left]) <= 1e-4).all()

    spec = RegionSpec("sky", "m.png", [0], settings={"palette": [[1, 0, 0]], "containment": 3, "losses": {"l1": 1}})
    assert spec.settings == {"palette": [red], "containment": 3.0, "losses": {"l1": 1.0}}
    job = Job("t.png", [TemplateSpec("a.png")], regions=[spec])
    job.save(tmp_path)
    assert Job.load(tmp_path).regions == [replace(spec, mask=str(tmp_path / "m.png"))]
    with pytest.raises(UserError, match="sky sets 'count', but only these can be set: losses, palette,"):
        RegionSpec("sky", "m.png", settings={"count": 3})
    with pytest.raises(UserError, match="spacing is 7, but"):
        RegionSpec("sky", "m.png", settings={"spacing": 7.0})


@pytest.mark.parametrize("opacity", [1.0, 254 / 255, 0.98])
def test_an_almost_opaque_target_leaves_no_seam_between_regions(opacity: float) -> None:
    size = 128
    front, back = np.zeros((2, size, size), np.float32)
    front[20:100, 20:84] = back[10:118, 40:118] = 1
    parts = [Region("front", front, (0,)), Region("back", back, (1,))]
    settings = Settings(count=300, engine="cpu", threads=1, transparent=True)
    weight = np.full((size, size), opacity, np.float32)
    layout = fit_regions(picture(size), stamps(), settings, parts, weight=weight).layout
    alpha = render_layout(layout, stamps(), transparent=True, engine="cpu")[3]
    assert alpha[30:90, 80:88].mean() > 0.96 * opacity


def test_soft_masks_that_touch_are_closed() -> None:
    ramp = np.linspace(0, 1, 9, dtype=np.float32)[None]
    parts = [Region("right", ramp), Region("left", 1 - ramp)]
    for opacity in (1.0, 0.5):
        whole = np.full_like(ramp, opacity)
        right, left = parts_of(parts, whole, True, strict=False)
        both = right.weight + (1 - right.weight) * left.weight
        assert_close(both, shown(parts, whole))
        assert_close(both, whole)


def test_covered_parts_stay_covered_where_the_target_counts_less() -> None:
    mask = np.ones((1, 3), np.float32)
    with pytest.raises(UserError, match="region b lies completely beneath others"):
        parts_of([Region("a", mask), Region("b", mask)], np.full((1, 3), 0.5, np.float32), False)


def test_a_regions_own_palette_replaces_the_common_one() -> None:
    red = (1.0, 0.0, 0.0)
    some = settings_of(
        Region("a", np.ones((1, 1), np.float32), settings={"palette_size": 2}), Settings(palette=[red]), 5
    )
    assert (some.palette, some.palette_size) == ([], 2)
    given = settings_of(
        Region("a", np.ones((1, 1), np.float32), settings={"palette": [red]}), Settings(palette_size=4), 5
    )
    assert (given.palette, given.palette_size) == ([red], 0)


@pytest.mark.parametrize("own", [{"losses": {"nonsense": 1.0}}, {"spacing": 1.0}, {"usage": "shares"}])
def test_wrong_settings_of_a_region_are_named_before_anything_is_fitted(own: dict[str, object]) -> None:
    half = np.zeros((48, 48), np.float32)
    half[:, :24] = 1
    items = [replace(item, limits=replace(item.limits, most=1)) for item in stamps().items]
    # Its one stamp may be used once.
    templates = Templates(items) if "usage" in own else stamps()
    parts = [Region("left", half, (0, 1, 2), 1.0), Region("right", 1 - half, (0,), 1.0, settings=own)]
    seen: list[Snapshot] = []
    with pytest.raises(UserError, match="region right"):
        fit_regions(picture(48), templates, Settings(count=6, iterations=2), parts, observer=seen.append)
    assert not seen
