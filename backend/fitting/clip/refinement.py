"""The refinement of a shot: descent on the control points of smooth paths, in rounds of all frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...native.arrays import BoolArray, FloatArray
from ..constraints.limits import ROTATION
from ..goal import Goal
from ..optimizer import Optimizer
from .context import Context
from .paths import Paths
from .stillness import beneath
from .tracking import Identities, Pose, front_first, steadied

RATE = 0.6  # factor on all steps of the recipe, in the first round ...
LAST_RATE = 0.06  # ... and in the last, by a cosine
MOMENTUM = 0.8

FULL_CHANGE = 0.02
"""Mean change of the target beneath a primitive (of 1) from which its path has a knot in every frame."""

STIFFNESS = 1e-4
"""Weight of the bends of slow paths: squared second differences of control points, lengths relative to the scale."""

TURNING = 1e-3
"""Weight of the bends of rotations, in radians: without it, round stamps turn aimlessly, and each turn needs keys."""

PINNED = 2.0
"""Knots after which a path no longer depends on a pinned first pose."""

Watch = Callable[[int], bool]
"""Called after each frame with its number from 0; returns whether to continue."""


@dataclass
class Refinement:
    """Refines the paths of a shot."""

    context: Context
    identities: Identities
    poses: list[Pose]
    goals: Sequence[Goal]  # of the same frames
    pinned: bool = False  # the first pose does not change

    def run(self, watch: Watch) -> list[Pose]:
        """Returns the poses on smooth paths, after all rounds or those until the watch stops them."""
        rounds, rates = self.context.clip.refinement, self._rates()
        self._paths = paths = Paths.of(self._begins(), rates)
        points = paths.fitted(self._unwound())
        # By least squares, still primitives stay exactly still, but only nearly in place.
        self._pace = paths.pace(rates)
        bounds = self.context.bounds(self.identities.template[paths.owner])
        rule = replace(self.context.rule(rounds), momentum=MOMENTUM)
        self._optimizer = Optimizer(bounds.clamp(points), bounds, self._frozen(paths), rule)
        self._seen = [front_first(pose) for pose in self.poses]
        for number in range(rounds):
            if not self._round(number, watch):
                break
            progress = number / max(1, rounds - 1)
            wave = 0.5 * (1.0 + math.cos(math.pi * progress))
            self._optimizer.step(self._gradient, LAST_RATE + (RATE - LAST_RATE) * wave)
        free = self._optimizer.variables.free
        fixed = self.identities.locked[:, None] | self.context.fixed_columns
        smooth = [paths.at(free, frame) for frame in range(len(self.poses))]
        if self.pinned:
            self._pin(smooth, rates)
        return [
            replace(pose, params=np.where(fixed, pose.params, params))
            for pose, params in zip(self.poses, smooth, strict=True)
        ]

    def _pin(self, smooth: list[FloatArray], rates: FloatArray) -> None:
        """Bends paths [N, 9] of all frames toward their first pose, decreasingly over the first knots."""
        off = self._unwound()[0] - smooth[0]
        first = ~np.logical_or.accumulate(self._begins()[1:])  # appearances that began with the first frame
        share = np.maximum(1.0 - rates.cumsum(0) / PINNED, 0.0)
        bounds = self.context.bounds(self.identities.template)
        smooth[0] = self.poses[0].params
        for frame in range(1, len(smooth)):
            bent = smooth[frame] + (share[frame] * first[frame - 1])[:, None] * off
            smooth[frame] = bounds.clamp(bent)

    def _round(self, number: int, watch: Watch) -> bool:
        """Sums the gradient over all frames, backward in every other round. Returns False if the watch stops it."""
        free = self._optimizer.variables.free
        self._gradient = np.zeros_like(free)
        error = None
        frames = range(len(self.poses))
        for frame in frames if number % 2 == 0 else reversed(frames):
            error = self._add_frame(frame, number, free, error)
            if not watch(frame):
                return False
        if self.context.clip.smoothness > 0:
            self._add_stiffness(free)
        return True

    def _add_frame(self, frame: int, number: int, free: FloatArray, error: FloatArray | None) -> FloatArray | None:
        """Adds the gradient of one frame, and returns its error [3, H, W] as composited.

        error: of the previous frame in this round.
        """
        context, who = self.context, self._seen[frame]
        goal, factor = self.goals[frame], 1.0
        if not goal.counts:
            return error
        aim = goal
        if error is not None and not goal.transparent:
            aim, factor = steadied(goal, error, context)
        drawn = self._paths.at(free, frame, who)
        fade = self.poses[frame].fade[who]
        decoded, slope = context.composited(drawn)
        decoded[:, 5] *= fade
        # The same noise in all frames, to avoid flicker.
        objective = context.objective(aim, -1 - number)
        _, gradient, scores = objective(decoded, self.identities.placement(who), scored=True)
        gradient[:, 5] *= fade
        gradient[:, 6:] *= slope
        self._paths.add(self._gradient, gradient * np.float32(factor), frame, who)
        assert scores is not None
        return scores.image - context.light(goal.target)

    def _add_stiffness(self, free: FloatArray) -> None:
        unit = np.ones_like(free)
        unit[:, :2] = free[:, 2:3]
        unit[:, 2] = free[:, 2]
        weight = STIFFNESS * self.context.clip.smoothness * np.square(1.0 - self._pace)[:, None] / np.square(unit)
        weight[:, ROTATION] += TURNING * self.context.clip.smoothness
        self._gradient += self._paths.unbent(weight * self._paths.bent(free))

    def _begins(self) -> BoolArray:
        """Returns the frames in which an appearance begins: [F, N]. The depth is constant within one."""
        depth = np.stack([pose.depth for pose in self.poses])
        begins = np.ones_like(depth, dtype=np.bool_)
        begins[1:] = depth[1:] != depth[:-1]
        return begins

    def _rates(self) -> FloatArray:
        """Returns the knots by which each path's clock advances to each frame: [F, N]."""
        clip = self.context.clip
        rates = np.zeros((len(self.poses), len(self.identities.template)), np.float32)
        before = self.goals[0].target
        for frame in range(1, len(self.poses)):
            pose, target = self.poses[frame], self.goals[frame].target
            change = beneath(pose.params, np.abs(target - before).mean(0))
            full = FULL_CHANGE * clip.smoothness
            rate = (change / full).clip(1.0 / clip.knots, 1.0) if full > 0 else np.ones_like(change)
            rates[frame] = np.where(pose.still, 0.0, rate)
            before = target
        return rates

    def _unwound(self) -> list[FloatArray]:
        """Returns the poses' params without jumps of rotations by whole turns within an appearance."""
        begins, values = self._begins(), [self.poses[0].params]
        for frame, pose in enumerate(self.poses[1:], 1):
            params = pose.params.copy()
            turns = np.rint((params[:, ROTATION] - values[-1][:, ROTATION]) / (2.0 * math.pi))
            params[:, ROTATION] -= 2.0 * math.pi * turns * ~begins[frame]
            values.append(params)
        return values

    def _frozen(self, paths: Paths) -> BoolArray:
        """Returns the parameters of control points that do not change: [K, 9]."""
        return self.identities.locked[paths.owner][:, None] | self.context.fixed_columns
