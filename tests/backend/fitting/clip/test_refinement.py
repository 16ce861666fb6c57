"""The frames of a shot together: jitter goes, what is fixed stays to the bit, and the picture gets no worse."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from backend.fitting.clip.context import Context
from backend.fitting.clip.refinement import PINNED, Refinement
from backend.fitting.clip.tracking import Pose
from backend.fitting.constraints.limits import ROTATION
from backend.native.arrays import FloatArray
from tests.backend.support.clips import Goals, context, identities, placed, wall, with_ball

FRAMES, COUNT, JITTER = 12, 3, 0.5
ROWS = [(16.0, 12.0, 5.0), (32.0, 30.0, 5.0), (48.0, 20.0, 5.0)]


def jittered(speed: float = 0.5) -> list[Pose]:
    """Discs that go to the right, and every other frame too far."""
    poses = [placed(ROWS) for _ in range(FRAMES)]
    for frame, pose in enumerate(poses):
        pose.params[:, 0] += speed * frame + JITTER * (-1) ** frame
    return poses


def refinement(
    poses: list[Pose],
    images: list[FloatArray] | None = None,
    settings: dict[str, Any] | None = None,
    pinned: bool = False,
    **clip: Any,
) -> Refinement:
    images = images or [wall()] * len(poses)
    count = len(poses[0].params)
    own = context(images[0], count, settings, **{"refinement": 8, "knots": 4, **clip})
    return Refinement(own, identities(count), poses, Goals(images), pinned)


def never(frame: int) -> bool:
    return False


def always(frame: int) -> bool:
    return True


def stacked(poses: list[Pose]) -> FloatArray:
    return np.stack([pose.params for pose in poses])


def roughness(params: FloatArray) -> float:
    """The mean second difference of x."""
    return float(np.abs(np.diff(params[..., 0], n=2, axis=0)).mean())


def test_jitter_goes_and_the_mean_and_the_speed_stay() -> None:
    """Knots every fourth frame cannot follow a zigzag of two frames."""
    poses = jittered()
    smooth = stacked(refinement(poses).run(never))
    rough = stacked(poses)
    assert roughness(rough) == pytest.approx(4 * JITTER, rel=1e-4)
    assert roughness(smooth) < 0.1 * roughness(rough)
    assert_allclose(smooth.mean(0), rough.mean(0), atol=0.02, rtol=0)
    speeds = np.diff(smooth[2:-2, :, 0], axis=0)
    assert (np.abs(speeds - 0.5) < 0.2).all()
    # What did not jitter is as it was.
    assert_allclose(smooth[..., 1:], rough[..., 1:], atol=1e-3, rtol=0)


def test_where_the_target_changes_much_a_path_follows_every_frame() -> None:
    """Knots in every frame: nearly all of what was found stays; without smoothness they are there anyway."""
    flicker = [(wall() + np.float32(0.3 * (frame % 2))).clip(0, 1) for frame in range(FRAMES)]
    poses = jittered()
    for some in (refinement(poses, flicker), refinement(poses, smoothness=0.0)):
        smooth = stacked(some.run(never))
        assert roughness(smooth) > 0.5 * roughness(stacked(poses))


def test_what_is_still_stays_bit_for_bit() -> None:
    poses = [placed(ROWS) for _ in range(FRAMES)]
    for frame, pose in enumerate(poses):
        pose.still[1:] = frame > 0
        pose.params[0, 0] += frame
    smooth = stacked(refinement(poses).run(always))
    assert np.array_equal(smooth[:, 1:], np.tile(smooth[:1, 1:], (FRAMES, 1, 1)))
    assert (smooth[1:, 0] != smooth[:-1, 0]).any(1).all()


def test_locked_primitives_and_columns_stay_as_they_were() -> None:
    poses = jittered()
    some = refinement(poses)
    some.identities.locked[1] = True
    smooth, rough = stacked(some.run(always)), stacked(poses)
    assert np.array_equal(smooth[:, 1], rough[:, 1])
    assert (smooth[:, [0, 2], 0] != rough[:, [0, 2], 0]).all()
    smooth = stacked(refinement(poses, settings={"locked": ["position"]}).run(always))
    assert np.array_equal(smooth[..., :2], rough[..., :2])
    assert (smooth[..., 5] != rough[..., 5]).any()


def test_the_colors_of_a_palette_stay() -> None:
    poses = jittered()
    smooth = refinement(poses, settings={"palette": [(0.9, 0.8, 0.2)]}).run(always)
    assert np.array_equal(stacked(smooth)[..., 6:], stacked(poses)[..., 6:])


def test_an_appearance_does_not_pull_at_the_next_one() -> None:
    """In the middle, unseen, the first one goes elsewhere, which its depth tells."""
    poses = [placed(ROWS) for _ in range(FRAMES)]
    for pose in poses[6:]:
        pose.params[0, 0], pose.depth[0] = 50.0, -1
    smooth = stacked(refinement(poses).run(never))
    assert_allclose(smooth[:6, 0, 0], 16.0, atol=1e-2, rtol=0)
    assert_allclose(smooth[6:, 0, 0], 50.0, atol=1e-2, rtol=0)


def test_rotations_go_the_short_way() -> None:
    """Past half a turn, numbers that wrap around are those of a steady turn."""
    poses = [placed(ROWS) for _ in range(FRAMES)]
    for frame, pose in enumerate(poses):
        angle = 2.5 + 0.1 * frame
        pose.params[:, ROTATION] = angle - 2 * math.pi * (angle > math.pi)
    turned = stacked(refinement(poses).run(never))[..., ROTATION]
    assert_allclose(np.diff(turned, axis=0), 0.1, atol=2e-2, rtol=0)


def test_a_pinned_pose_stays_and_the_path_leaves_it_gently() -> None:
    poses = jittered()
    free = stacked(refinement(poses).run(never))
    pinned = stacked(refinement(poses, pinned=True).run(never))
    assert np.array_equal(pinned[0], poses[0].params)
    off = np.abs(pinned - free)[:, :, 0]
    assert (np.diff(off, axis=0) <= 1e-5).all()
    # Two knots, which are eight frames, later it is free.
    last = math.ceil(PINNED * 4)
    assert (off[1] > 0).all()
    assert np.array_equal(pinned[last:, :, :2], free[last:, :, :2])


def test_the_result_lies_within_the_limits() -> None:
    poses = jittered(speed=5.0)
    smooth = stacked(refinement(poses).run(always))
    assert smooth[..., 0].max() <= 64 + 2
    assert ((smooth[..., 5] > 0) & (smooth[..., 5] < 1)).all()


def test_paths_come_nearer_to_a_ball_whose_motion_is_known() -> None:
    """A disc of the ball's size is beside it in every frame, each time elsewhere; behind it is a plain wall."""
    plain, random = np.full((3, 48, 64), 0.3, np.float32), np.random.default_rng(5)
    truth = np.stack([18.0 + 2.0 * np.arange(FRAMES), np.full(FRAMES, 24.0)], 1)
    images = [with_ball(plain, float(x) - 0.5, float(y) - 0.5) for x, y in truth]
    poses = []
    for x, y in truth + 1.5 * random.standard_normal((FRAMES, 2)):
        pose = placed([(float(x), float(y), 8.0), (32.0, 24.0, 60.0)])
        pose.params[1, 6:] = 0.3
        poses.append(pose)
    some = refinement(poses, images, refinement=20)
    some.identities.locked[1] = True
    smooth = some.run(always)

    def off(these: list[Pose]) -> float:
        return float(np.hypot(*(stacked(these)[:, 0, :2] - truth).T).mean())

    assert off(smooth) < 0.4 * off(poses)
    errors = [sum(map(partial(error, some.context), these, images)) for these in (poses, smooth)]
    assert errors[1] < 0.5 * errors[0]


def error(own: Context, pose: Pose, image: FloatArray) -> float:
    who = np.arange(len(pose.params))
    shown, _ = own.engine.forward(pose.params, identities(len(who)).placement(who), np.ones_like(image))
    return float(np.square(shown - image).mean())


def test_every_other_round_goes_backwards_and_a_stop_keeps_what_is_there() -> None:
    seen: list[int] = []

    def watch(frame: int) -> bool:
        seen.append(frame)
        return len(seen) < 2 * FRAMES + 3

    poses = jittered()
    stopped = refinement(poses).run(watch)
    whole = [*range(FRAMES), *reversed(range(FRAMES))]
    assert seen == [*whole, 0, 1, 2]
    assert len(stopped) == FRAMES
    seen.clear()
    twice = refinement(poses).run(lambda frame: watch(frame) and len(seen) < 2 * FRAMES + 1)
    # The round that was not finished changes nothing.
    assert np.array_equal(stacked(stopped), stacked(twice))


def test_what_a_pose_has_beside_its_params_stays() -> None:
    poses = jittered()
    poses[3] = replace(poses[3], fade=np.array([0.5, 1.0, 0.0], np.float32))
    for before, after in zip(poses, refinement(poses).run(always), strict=True):
        for name in ("depth", "fade", "still"):
            assert np.array_equal(getattr(before, name), getattr(after, name))
