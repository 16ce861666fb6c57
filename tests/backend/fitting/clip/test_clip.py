"""The fit of clips: small ones, whose motion is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from backend.control import Control
from backend.fitting import fit
from backend.fitting.clip import ClipResult, ClipSnapshot, fit_clip
from backend.fitting.clip.regions import MovingRegion, fit_clip_regions
from backend.fitting.clip.shots import CutFinder
from backend.fitting.clip.stillness import Stillness, untouched, widened
from backend.job import Array, Clip, Limits, Settings, UserError
from backend.job.layout import Layout
from backend.layouts.rendering import render_layout
from backend.metrics.picture import psnr
from backend.native.arrays import FloatArray
from backend.templates import Templates
from tests.backend.support.clips import HEIGHT, SETTINGS, WIDTH, Goals, discs, scene

FRAMES = 7
CLIP = Clip(iterations=12, refinement=6)


class Memory:
    """A journal that breaks off after some records."""

    def __init__(self, most: int = 10**9) -> None:
        self.records: dict[str, dict[str, Array]] = {}
        self.most = most

    def load(self, name: str) -> dict[str, Array] | None:
        found = self.records.get(name)
        return None if found is None else {key: values.copy() for key, values in found.items()}

    def save(self, name: str, arrays: dict[str, Array]) -> None:
        if len(self.records) >= self.most:
            raise KeyboardInterrupt
        self.records[name] = {key: values.copy() for key, values in arrays.items()}


def fitted(
    images: list[FloatArray] | None = None,
    settings: Settings = SETTINGS,
    clip: Clip = CLIP,
    masks: list[FloatArray] | None = None,
    templates: Templates | None = None,
    **options: object,
) -> ClipResult:
    images = images or [scene(frame) for frame in range(FRAMES)]
    goals, frames = Goals(images, settings, masks), range(1, len(images) + 1)
    return fit_clip(goals, templates or discs(), settings, clip, frames=frames, fps=24.0, **options)  # type: ignore[arg-type]


def images_of(layout: Layout) -> list[FloatArray]:
    return [render_layout(layout, discs(), frame=i, engine="cpu")[:3] for i in range(len(layout.frames))]


def same(a: Layout, b: Layout) -> bool:
    names = ("x", "y", "scale", "rotation", "opacity", "color", "depth", "level", "template")
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)


def test_a_clip_is_found_by_stamps_that_never_jump_where_they_are_seen() -> None:
    result = fitted()
    layout = result.layout
    assert result.shots == [0]
    assert layout.frames == list(range(1, FRAMES + 1))
    assert (layout.opacity > 0).sum(1).max() <= SETTINGS.count
    for frame, image in enumerate(images_of(layout)):
        alone = fit(scene(frame), discs(), replace(SETTINGS, iterations=18, seed=frame)).layout
        assert psnr(image, scene(frame)) > psnr(render_layout(alone, discs(), engine="cpu")[:3], scene(frame)) - 1.0
    seen = layout.opacity > 0
    both = seen[1:] & seen[:-1]
    assert layout.depth is not None
    assert not (np.diff(layout.depth, axis=0)[both]).any()
    steps = np.hypot(np.diff(layout.x, axis=0), np.diff(layout.y, axis=0))
    assert steps[both].max() < 16
    # Where a primitive is elsewhere, it was unseen when it went there.
    gone = (layout.depth[1:] != layout.depth[:-1]) & seen[:-1]
    assert not seen[1:][gone].any()


def test_still_parts_stay_bit_for_bit() -> None:
    layout = fitted().layout
    # Above the ball nothing ever changes.
    reach = layout.scale + 2
    above = ((layout.y + reach) < 20).all(0) & (layout.opacity > 0).all(0)
    assert above.sum() >= 5
    for name in ("x", "y", "scale", "rotation", "opacity", "color"):
        values = getattr(layout, name)[:, above]
        assert (values == values[:1]).all(), name


def test_a_target_that_does_not_change_is_one_picture() -> None:
    layout = fitted([scene(0)] * 4).layout
    assert layout.count == SETTINGS.count
    for name in ("x", "y", "scale", "rotation", "opacity", "color"):
        values = getattr(layout, name)
        assert (values == values[:1]).all(), name


def test_the_same_for_any_number_of_threads_and_after_an_interruption() -> None:
    whole = fitted().layout
    assert same(whole, fitted(settings=replace(SETTINGS, threads=3)).layout)
    for most in (1, 4):
        journal = Memory(most)
        with pytest.raises(KeyboardInterrupt):
            fitted(journal=journal)
        journal.most = 10**9
        assert len(journal.records) == most
        assert same(whole, fitted(journal=journal).layout)
        # Once more: all of it is there.
        assert same(whole, fitted(journal=journal).layout)


def test_cuts_are_found_and_shots_have_primitives_of_their_own() -> None:
    images = [scene(frame) for frame in range(3)] + [scene(frame, seed=5)[:, ::-1, ::-1].copy() for frame in range(3)]
    result = fitted(images)
    layout = result.layout
    assert result.shots == [0, 3]
    seen = layout.opacity > 0
    assert not (seen[2] & seen[3]).any()
    assert seen[2].sum() == seen[3].sum() == SETTINGS.count
    assert psnr(images_of(layout)[3], images[3]) > 20
    assert fitted(images, clip=replace(CLIP, cut=0.0, refinement=0)).shots == [0]


def test_a_cancel_keeps_the_frames_that_there_are() -> None:
    control = Control()

    def watch(snapshot: ClipSnapshot) -> None:
        if snapshot.frame == 3:
            control.cancel()

    result = fitted(observer=watch, control=control)
    assert result.cancelled
    assert 2 <= len(result.layout.frames) <= 4
    assert np.isfinite(result.layout.x).all()


def test_progress_grows_and_previews_come() -> None:
    told: list[ClipSnapshot] = []
    fitted(settings=replace(SETTINGS, preview_seconds=1e-6), observer=told.append)
    assert [s.step for s in told] == sorted(s.step for s in told)
    assert all(s.step < s.total for s in told)
    assert any(s.image is not None and s.image.shape == (3, HEIGHT, WIDTH) and s.psnr > 10 for s in told)


def test_a_part_goes_on_from_another_with_the_same_identities() -> None:
    whole = [scene(frame) for frame in range(FRAMES)]
    first = fitted(whole[:4]).layout
    second = fitted(whole[3:], start=first).layout
    shared = first.count
    assert second.count >= shared
    assert (second.template[:shared] == first.template).all()
    seen = (first.opacity[-1] > 0) & (second.opacity[0, :shared] > 0)
    assert seen.sum() >= 0.9 * SETTINGS.count
    # The frame that both have is the same in both.
    for name in ("x", "y", "scale", "rotation", "color", "opacity"):
        ours, theirs = getattr(second, name)[0, :shared][seen], getattr(first, name)[-1][seen]
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    assert psnr(images_of(second)[2], whole[5]) > 22


def test_masks_may_change_and_be_black_for_a_while() -> None:
    masks = [np.zeros((HEIGHT, WIDTH), np.float32) for _ in range(FRAMES)]
    for frame in (0, 1, 2, 5, 6):
        masks[frame][:, : 20 + 4 * frame] = 1.0
    layout = fitted(masks=masks).layout
    alpha = render_layout(layout, discs(), frame=6, transparent=True, engine="cpu")[3]
    assert alpha[:, :40].mean() > 0.8
    assert alpha[:, 52:].mean() < 0.2
    assert not layout.opacity[3:5].any()


@pytest.mark.parametrize("transparent", [False, True])
@pytest.mark.parametrize("shown", [[2, 3, 4], [0, 1], [1, 4], [3]])
def test_where_all_is_to_stay_clear_nothing_is_seen(transparent: bool, shown: list[int]) -> None:
    settings = replace(SETTINGS, transparent=transparent, count=10)
    masks = [np.full((HEIGHT, WIDTH), float(frame in shown), np.float32) for frame in range(5)]
    result = fitted([scene(frame) for frame in range(5)], settings=settings, masks=masks)
    seen = (result.layout.opacity > 0).sum(1)
    assert [bool(count) for count in seen] == [frame in shown for frame in range(5)]
    assert len(result.layout.frames) == 5
    assert all(shot in shown for shot in result.shots)


def test_a_clip_that_never_counts_is_refused() -> None:
    with pytest.raises(UserError, match="in all frames"):
        fitted(masks=[np.zeros((HEIGHT, WIDTH), np.float32)] * FRAMES)


def test_regions_move_too() -> None:
    left = [np.zeros((HEIGHT, WIDTH), np.uint8) for _ in range(FRAMES)]
    for frame, mask in enumerate(left):
        mask[:, : 24 + 3 * frame] = 255
    parts = [MovingRegion("left", left), MovingRegion("right", [~mask for mask in left])]
    goals = Goals([scene(frame) for frame in range(FRAMES)])
    result = fit_clip_regions(goals, parts, discs(), SETTINGS, CLIP, frames=range(FRAMES), fps=24.0)
    layout = result.layout
    assert set(layout.region) == {0, 1}
    assert (layout.opacity > 0).sum(1).max() <= SETTINGS.count
    assert psnr(images_of(layout)[-1], scene(FRAMES - 1)) > 18
    # The front region's are in front.
    assert layout.depth is not None
    assert layout.depth[:, layout.region == 0].max() < layout.depth[:, layout.region == 1].min()


@pytest.mark.parametrize(
    "changed",
    [
        {"space": "linear"},
        {"palette_size": 3},
        {"losses": {"mse": 1.0, "l1": 0.1}},
        {"locked": ["rotation", "color"]},
        {"count": 1},
        {"transparent": True},
    ],
)
def test_settings_hold_in_all_frames(changed: dict[str, object]) -> None:
    settings = replace(SETTINGS, **changed)  # type: ignore[arg-type]
    masks = None
    if settings.transparent:
        masks = [np.zeros((HEIGHT, WIDTH), np.float32) for _ in range(FRAMES)]
        for mask in masks:
            mask[8:, 8:] = 0.8
    layout = fitted(settings=settings, masks=masks).layout
    assert np.isfinite(layout.color).all()
    if settings.palette_size:
        colors = layout.color[layout.opacity > 0].round(4)
        assert len(np.unique(colors, axis=0)) <= settings.palette_size
    if settings.locked:
        assert np.ptp(layout.rotation, axis=0).max() == 0
        assert layout.count == settings.count
    if settings.transparent:
        alpha = render_layout(layout, discs(), frame=4, transparent=True, engine="cpu")[3]
        assert abs(float(alpha[16:40, 16:56].mean()) - 0.8) < 0.1


def test_limits_hold_in_all_frames() -> None:
    limits = Limits(size_range=(0.05, 0.2), rotation_range=(-0.5, 0.5), opacity_range=(0.5, 1.0), most=60)
    layout = fitted(templates=discs(limits)).layout
    seen = layout.opacity > 0
    assert layout.scale[seen].min() >= 0.025 * WIDTH - 1e-4
    assert layout.scale[seen].max() <= 0.1 * WIDTH + 1e-4
    assert np.abs(layout.rotation[seen]).max() <= 0.5 + 1e-5
    assert layout.opacity[seen].min() >= 0.5 - 1e-5


def test_what_is_for_pictures_only_is_refused() -> None:
    cases = {"recipe": {"recipe": "paper"}, "order": {"order": "small_front"}, "apart": {"spacing": 0.01}}
    for word, changed in cases.items():
        with pytest.raises(UserError, match=word):
            fitted(settings=replace(SETTINGS, **changed))  # type: ignore[arg-type]


def test_slow_changes_add_up() -> None:
    stillness = Stillness(np.zeros((3, 20, 20), np.float32), 0.03)
    assert not stillness.changed(np.full((3, 20, 20), 0.02, np.float32)).any()
    assert stillness.changed(np.full((3, 20, 20), 0.04, np.float32)).all()
    assert not stillness.changed(np.full((3, 20, 20), 0.05, np.float32)).any()


def test_a_primitive_is_untouched_where_its_box_is() -> None:
    changed = np.zeros((20, 30), np.bool_)
    changed[5, 10] = True
    rows = [[10.5, 5.5, 2, 1, 0], [16, 5, 2, 1, 0], [14.0, 5.5, 2, 4, 0], [14.0, 5.5, 2, 4, 1.5708]]
    params = np.zeros((4, 9), np.float32)
    params[:, :5] = rows
    assert untouched(params, changed).tolist() == [False, True, False, True]
    outside = params.copy()
    outside[:, 0] = 300.0
    assert untouched(outside, changed).all()


def test_flat_frames_are_no_noise() -> None:
    finder = CutFinder(0.4)
    black, white = np.zeros((3, 20, 30), np.float32), np.ones((3, 20, 30), np.float32)
    assert [finder.is_cut(frame) for frame in (black, white, black)] == [False, False, False]
    assert finder.is_cut(scene(0)[:, :20, :30])
    assert not finder.is_cut(scene(1)[:, :20, :30])


def test_a_pixel_is_widened_to_a_square_that_ends_at_the_edge() -> None:
    plane = np.zeros((9, 7), np.bool_)
    plane[1, 5] = True
    wide = widened(plane, 5)
    assert wide[:4, 3:].all()
    assert wide.sum() == 4 * 4
    assert widened(np.ones((1, 1), np.bool_), 5).all()
