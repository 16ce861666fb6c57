"""From frame to frame: what moves is followed, what is still stays bit for bit, what goes elsewhere does so unseen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backend.fitting import fit_goal
from backend.fitting.clip.assembly import posed
from backend.fitting.clip.context import Context
from backend.fitting.clip.shots import CutFinder
from backend.fitting.clip.tracking import STEADINESS, Identities, Pose, Tracker, front_first, steadied
from backend.fitting.default.relocation import Candidates
from backend.fitting.goal import Goal
from backend.job import Clip, Settings
from backend.native.arrays import FloatArray
from tests.backend.support.clips import (
    RADIUS,
    SETTINGS,
    Goals,
    context,
    discs,
    identities,
    placed,
    scene,
    wall,
    with_ball,
)

SHIFT = 3.0


def goal_like(image: FloatArray) -> Goal:
    return Goals([image])[0]


def tracker_of(first: FloatArray, settings: Settings = SETTINGS, **clip: Any) -> Tracker:
    """Tracks from a fitted first frame."""
    goal, templates = goal_like(first), discs()
    own = Context.of(goal, templates, settings, Clip(**{"iterations": 10, **clip}))
    return Tracker(own, *posed(fit_goal(goal, templates, settings).layout, own), goal)


def spotted_ball(shift: int) -> FloatArray:
    """A ball with a pattern, which the optical flow sees, so many px from x = 24."""
    inside = (with_ball(wall(), 24.0 + shift) != wall()).any(0)
    return np.where(inside, np.roll(wall(seed=9)[:, :, ::-1], shift, 2), wall())


def simple(count: int = 3, **clip: Any) -> Tracker:
    """Tracks so many discs side by side, in front of each other from left to right."""
    pose = placed([(10.0 + 12.0 * i, 20.0, 5.0) for i in range(count)])
    return Tracker(context(wall(), count, **clip), identities(count), pose, goal_like(wall()))


def found(count: int, x: float = 30.0) -> Candidates:
    params = placed([(x, 40.0, 4.0)] * count).params
    return Candidates(params, np.zeros(count, np.int64), np.zeros(count, np.bool_), np.ones(count, np.float32))


def next_frame(tracker: Tracker) -> Pose:
    """Goes on to a frame that is the same as the one before."""
    tracker.advance(goal_like(wall()))
    return tracker.latest


def test_primitives_follow_a_ball_and_the_wall_stays_bit_for_bit() -> None:
    frames = [spotted_ball(0), spotted_ball(int(SHIFT))]
    center = np.array([24.0, 30.0], np.float32)
    tracker = tracker_of(frames[0], fade=0)
    before = tracker.latest.params.copy()
    tracker.advance(goal_like(frames[1]))
    after, still = tracker.latest.params, tracker.latest.still
    away = np.abs(before[:, :2] - center).max(1) > RADIUS + SHIFT + 1.5 * before[:, 2] + 3
    assert away.sum() > 10
    assert still[away].all()
    assert np.array_equal(after[away], before[away])
    inside = (np.hypot(*(before[:, :2] - center).T) < 5) & (before[:, 2] < RADIUS)
    assert inside.sum() >= 3
    moved = np.median((after - before)[inside, :2], 0)
    assert moved[0] == pytest.approx(SHIFT, abs=1.0)
    assert moved[1] == pytest.approx(0.0, abs=1.0)


def test_a_target_that_moves_as_a_whole_carries_all_along() -> None:
    long = np.concatenate([wall(1), wall(2)], 2)
    frames = [long[:, :, int(x) : int(x) + 64].copy() for x in (SHIFT, 0.0)]
    tracker = tracker_of(frames[0], fade=0)
    before = tracker.latest.params.copy()
    tracker.advance(goal_like(frames[1]))
    moved = np.median((tracker.latest.params - before)[:, :2], 0)
    assert moved[0] == pytest.approx(SHIFT, abs=0.7)
    assert moved[1] == pytest.approx(0.0, abs=0.7)
    without = tracker_of(frames[0], fade=0, flow=False)
    without.advance(goal_like(frames[1]))
    assert np.median((without.latest.params - before)[:, 0]) < moved[0] - 0.5


def test_locked_primitives_do_not_follow() -> None:
    tracker = tracker_of(scene(0), fade=0)
    tracker.identities.locked[::2] = True
    before = tracker.latest.params.copy()
    tracker.advance(goal_like(scene(1)))
    assert np.array_equal(tracker.latest.params[::2], before[::2])
    assert not np.array_equal(tracker.latest.params[1::2], before[1::2])


def test_a_frame_that_does_not_change_is_the_same_to_the_bit() -> None:
    tracker = tracker_of(scene(0))
    before, error = tracker.latest, tracker.error.copy()
    tracker.advance(goal_like(scene(0)))
    for name, values in vars(before).items():
        if name != "still":
            assert np.array_equal(getattr(tracker.latest, name), values), name
    assert tracker.latest.still.all()
    assert np.array_equal(tracker.error, error)


def test_a_ball_that_moves_is_no_cut_and_another_scene_is() -> None:
    finder = CutFinder(0.4)
    frames = [
        scene(0),
        scene(1),
        scene(2),
        scene(3, seed=5)[:, ::-1, ::-1].copy(),
        scene(4, seed=5)[:, ::-1, ::-1].copy(),
    ]
    assert [finder.is_cut(frame) for frame in frames] == [False, False, False, True, False]
    never = CutFinder(0.0)
    assert not any(never.is_cut(frame) for frame in frames)


def test_it_goes_on_from_a_journal_as_if_it_had_found_the_frame_itself() -> None:
    whole, again = tracker_of(scene(0)), tracker_of(scene(0))
    whole.advance(goal_like(scene(1)))
    again.follow(goal_like(scene(1)), whole.state())
    for tracker in (whole, again):
        tracker.advance(goal_like(scene(2)))
    for one, other in zip(whole.finished(), again.finished(), strict=True):
        for name, values in vars(one).items():
            assert np.array_equal(values, getattr(other, name)), name
    for name, values in vars(whole.identities).items():
        assert np.array_equal(values, getattr(again.identities, name)), name
    assert np.array_equal(whole.error, again.error)


def test_what_leaves_fades_frame_by_frame_and_then_rests() -> None:
    tracker = simple(fade=3)
    tracker.advance(goal_like(wall()))
    tracker.leave(np.array([1]))
    fades = [tracker.latest.fade.tolist()] + [next_frame(tracker).fade.tolist() for _ in range(3)]
    assert [row[1] for row in fades] == pytest.approx([2 / 3, 1 / 3, 0.0, 0.0], abs=1e-6)
    assert fades[2][1] == 0.0
    assert all(row[0] == row[2] == 1.0 for row in fades)
    assert not tracker.leaving.any()
    assert tracker.latest.still.all()


def test_what_arrives_is_in_front_and_was_there_before_unseen() -> None:
    tracker = simple(fade=2)
    tracker.advance(goal_like(wall()))
    who = tracker.arrive(found(2))
    now, last = tracker.latest, tracker.poses[-2]
    assert who.tolist() == [3, 4]
    assert front_first(now).tolist() == [3, 4, 0, 1, 2]
    assert now.fade.tolist() == [1.0, 1.0, 1.0, 0.5, 0.5]
    assert last.fade.tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert np.array_equal(now.params[who], found(2).params)
    assert np.array_equal(last.params[who], now.params[who])
    assert next_frame(tracker).fade.tolist() == [1.0] * 5


def test_an_identity_that_is_unseen_is_taken_again() -> None:
    """Only from the second frame on that it is not seen in; else it would jump while it fades."""
    tracker = simple(fade=1)
    tracker.identities.level += tracker.context.templates.choose_levels(
        np.zeros(1, np.int64), np.full(1, 4.0, np.float32), np.ones(1, np.float32), tracker.context.recipe.bias
    )
    tracker.advance(goal_like(wall()))
    tracker.leave(np.array([0]))
    assert tracker.arrive(found(1)).tolist() == [3]
    tracker.advance(goal_like(wall()))
    assert tracker.arrive(found(1)).tolist() == [0]
    assert len(tracker.identities.template) == len(tracker.latest.params) == 4


def test_finished_poses_know_all_identities_and_show_them_when_they_are_there() -> None:
    tracker = simple(fade=1)
    for _ in range(2):
        tracker.advance(goal_like(wall()))
    tracker.arrive(found(1))
    poses = tracker.finished()
    assert [len(pose.params) for pose in poses] == [4, 4, 4]
    assert [pose.fade[3].item() for pose in poses] == [0.0, 0.0, 1.0]
    assert all(np.array_equal(pose.params[3], found(1).params[0]) for pose in poses)
    assert [pose.depth[3].item() for pose in poses] == [-1, -1, -1]


def test_where_one_is_better_elsewhere_both_are_seen_in_turn() -> None:
    """A ball appears in a plain corner, for which primitives leave their places, as many as come."""
    tracker = tracker_of(wall(), fade=1)
    shown = tracker.latest.fade > 0
    tracker.advance(goal_like(with_ball(wall(), 50.0, 12.0)))
    tracker.advance(goal_like(with_ball(wall(), 50.0, 12.0)))
    first, second, third = tracker.finished()
    came = (third.fade > 0) & (first.fade == 0)
    assert came.sum() > 0
    assert (third.fade > 0).sum() == shown.sum()
    gone = (first.fade > 0) & (third.fade == 0)
    assert gone.sum() == came.sum()
    assert (np.hypot(*(third.params[came, :2] - (50.0, 12.0)).T) < 2 * RADIUS).all()
    # At no time are there more of them.
    assert (second.fade > 0).sum() == shown.sum()


def test_only_those_that_are_seen_are_drawn_the_front_one_first() -> None:
    pose = placed([(10.0, 10.0, 2.0), (20.0, 10.0, 2.0), (30.0, 10.0, 2.0), (40.0, 10.0, 2.0)])
    pose.depth, pose.fade = np.array([4, -3, 0, 1]), np.array([1.0, 0.5, 0.0, 1.0], np.float32)
    assert front_first(pose).tolist() == [1, 3, 0]
    tracker = Tracker(context(wall(), 4), identities(4), pose, goal_like(wall()))
    params, placement = tracker.drawn()
    assert params[:, 0].tolist() == [20.0, 40.0, 10.0]
    assert params[:, 5].tolist() == pytest.approx([0.475, 0.95, 0.95])
    assert len(placement.template) == 3


@pytest.mark.parametrize("space", ["display", "linear"])
def test_a_steadied_goal_costs_the_error_and_its_change(space: str) -> None:
    """(1 + s) (i - aim)^2 - (i - t)^2 - s (i - t - e)^2 is a constant, whatever the image i."""
    random = np.random.default_rng(3)
    target = 0.3 + 0.4 * random.random((3, 48, 64), np.float32)
    error = 0.1 * random.standard_normal((3, 48, 64), np.float32)
    own = context(target, 4, {"space": space}, smoothness=2.0)
    goal, factor = steadied(goal_like(target), error, own)
    aim, light, weight = own.light(goal.target), own.light(target), 2.0 * STEADINESS
    assert factor == 1.0 + weight

    def constant(image: FloatArray) -> FloatArray:
        change = image - light - error
        return factor * np.square(image - aim) - np.square(image - light) - weight * np.square(change)

    images = random.random((2, 3, 48, 64), np.float32)
    # Where the aim is no color that can be shown, it is only near.
    inside = (aim > 0.01) & (aim < 0.99)
    assert inside.mean() > 0.8
    assert_allclose(constant(images[0])[inside], constant(images[1])[inside], atol=2e-5, rtol=0)


def test_without_smoothness_a_goal_stays_as_it_is() -> None:
    goal = goal_like(wall())
    same, factor = steadied(goal, np.ones((3, 48, 64), np.float32), context(wall(), 4, smoothness=0.0))
    assert same is goal
    assert factor == 1.0


def test_new_identities_belong_to_no_region_and_are_not_locked() -> None:
    own: Identities = identities(2)
    own.region[:], own.locked[:] = 3, True
    own.add(np.array([1]), np.array([True]), np.array([[2, 3]]))
    assert own.region.tolist() == [3, 3, 0]
    assert own.locked.tolist() == [True, True, False]
    placement = own.placement(np.array([2, 0]))
    assert placement.template.tolist() == [1, 0]
    assert placement.level.tolist() == [[2, 3], [0, 0]]
    assert placement.mirror.tolist() == [True, False]
