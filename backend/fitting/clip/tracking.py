"""Tracking through a shot: frame by frame, primitives follow the target, and useless ones relocate.

A primitive relocates unseen: it fades out, and another identity fades in elsewhere. So there are more identities than
primitives that are seen at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ...engines.interface import Placement, Scores
from ...job import Array
from ...native.arrays import BoolArray, FloatArray, IntArray
from ..constraints.limits import Bounds
from ..default.choice import Choice
from ..default.relocation import Candidates, CandidateSearch, exchange
from ..goal import Goal
from ..optimizer import Optimizer
from .context import Context
from .motion import motion, sampled
from .stillness import Stillness, untouched, widened

RATE = 0.6  # factor on all steps of the recipe, at a frame's first step ...
LAST_RATE = 0.3  # ... and at its last
SEARCHES = (0.2, 0.4, 0.6)
"""Shares of a frame's steps after which primitives may relocate."""

PLACES = 0.15
"""Greatest share of the primitives that may relocate at a time."""

NEAR_LEVELS = 1
"""Greatest difference of an identity's mip level from the one for its new size."""

REACH = 5
"""Side of the square around each changed pixel in which new primitives are tried, px."""

STEADINESS = 0.25
"""Weight of the change of the error between frames, relative to that of the error."""

_LEAST_FADE = 1e-6


@dataclass
class Pose:
    """The identities of a shot in one frame. New ones are added when needed, so later frames may have more."""

    params: FloatArray  # [N, 9] colors display-encoded, opacity without its fade
    depth: IntArray  # [N] the least is in front
    fade: FloatArray  # [N] factor on the opacity, from 0 = unseen to 1
    still: BoolArray  # [N] unchanged since the previous frame


@dataclass
class Identities:
    """The properties of a shot's primitives that are the same in all frames."""

    template: IntArray  # [N]
    mirror: BoolArray  # [N]
    level: IntArray  # [N, 2]
    region: NDArray[np.int32]  # [N]
    locked: BoolArray  # [N]

    def placement(self, who: IntArray) -> Placement:
        """Returns the placement of the identities `who` (index [K])."""
        return Placement(self.template[who], self.level[who], self.mirror[who])

    def add(self, template: IntArray, mirror: BoolArray, level: IntArray) -> None:
        """Adds new identities [K] of region 0, not locked."""
        new: dict[str, Array] = {"template": template, "mirror": mirror, "level": level}
        new["region"], new["locked"] = np.zeros_like(template, np.int32), np.zeros_like(mirror)
        for name, values in new.items():
            setattr(self, name, np.concatenate([getattr(self, name), values]))


Kind = TypeVar("Kind", Pose, Identities)


def picked(kind: type[Kind], arrays: Mapping[str, Array], prefix: str = "") -> Kind:
    """Makes a Pose or Identities of the arrays that are named like its fields, with a prefix."""
    return kind(**{field.name: arrays[prefix + field.name] for field in fields(kind)})


def front_first(pose: Pose) -> IntArray:
    """Returns the primitives that are seen, the front one first: index [M]."""
    seen = np.flatnonzero(pose.fade > 0)
    return seen[pose.depth[seen].argsort(kind="stable")]


def steadied(goal: Goal, error: FloatArray, context: Context) -> tuple[Goal, float]:
    """Returns a goal that steadies the error [3, H, W] of a neighboring frame, and the factor on its loss.

    The error e and its change d since that frame, e = d + error, cost e^2 + s d^2 = (1 + s) (e - s / (1 + s) error)^2
    plus a constant: the squared distance from a target that is shifted by a share of the neighbor's error.
    """
    weight = STEADINESS * context.clip.smoothness
    if weight <= 0.0:
        return goal, 1.0
    moved = context.light(goal.target) + weight / (1.0 + weight) * error
    return replace(goal, target=context.shown(moved)), 1.0 + weight


class Tracker:
    """Follows a shot from frame to frame."""

    def __init__(self, context: Context, identities: Identities, first: Pose, goal: Goal) -> None:
        """Begins with the pose and the goal of a shot's first frame."""
        self.context, self.identities = context, identities
        self.poses = [first]
        self.leaving = np.zeros_like(first.still)
        self._stillness = Stillness(_compared(goal), context.clip.still)
        self._target = goal.target
        self.error = self._error_of(goal)
        """The error of the latest frame: [3, H, W] as composited."""

    @property
    def latest(self) -> Pose:
        return self.poses[-1]

    def state(self) -> dict[str, Array]:
        """Returns the arrays of the latest frame for follow()."""
        poses = {"now": self.latest} | ({"last": self.poses[-2]} if len(self.poses) > 1 else {})
        arrays = {f"{which}_{name}": values for which, pose in poses.items() for name, values in vars(pose).items()}
        return {**arrays, **vars(self.identities), "leaving": self.leaving}

    def follow(self, goal: Goal, state: dict[str, Array]) -> None:
        """Takes the next frame from the state of an earlier run."""
        self._stillness.changed(_compared(goal))
        self._target = goal.target
        self.poses[-1:] = [picked(Pose, state, "last_"), picked(Pose, state, "now_")]
        self.identities = picked(Identities, state)
        self.leaving = state["leaving"]
        self.error = self._error_of(goal)

    def advance(self, goal: Goal) -> None:
        """Finds the pose in the next frame."""
        context, before = self.context, self.latest
        changed = self._stillness.changed(_compared(goal))
        still = untouched(before.params, changed)
        pose = Pose(before.params.copy(), before.depth.copy(), self._faded(before.fade), still)
        pose.still &= pose.fade == before.fade
        pose.still |= (pose.fade == 0) & (before.fade == 0)
        self.leaving &= pose.fade > 0
        if context.clip.flow and bool(changed.any()):
            moves = sampled(motion(self._target, goal.target), pose.params[:, :2])
            free = ~(pose.still | self.identities.locked | context.locked[:2].any())
            pose.params[:, :2] += np.where(free[:, None], moves, np.float32(0.0))
        self._target = goal.target
        self.poses.append(pose)
        if bool(changed.any()) and goal.counts:
            FrameDescent(self, goal, changed).run()
        self.error = self._error_of(goal)

    def leave(self, who: IntArray) -> None:
        """Lets identities (index [K]) fade out from the latest frame on."""
        pose = self.latest
        self.leaving[who] = True
        pose.fade[who] = _vanished(pose.fade[who] - self._fade_step)
        pose.still[who] = False
        self.leaving &= pose.fade > 0

    def arrive(self, found: Candidates) -> IntArray:
        """Gives candidates identities that are seen from the latest frame on, in front: index [K]."""
        context, now, last = self.context, self.latest, self.poses[-2]
        bias = context.recipe.bias
        level = context.templates.choose_levels(found.template, found.params[:, 2], found.params[:, 3], bias)
        who = self._unseen(found.template, found.mirror, level)
        now.depth[who] = now.depth.min() - len(who) + np.arange(len(who))
        now.params[who], now.still[who], now.fade[who] = found.params, False, self._fade_step
        # In the previous frame, they are already there, unseen.
        last.params[who], last.depth[who], last.still[who] = found.params, now.depth[who], False
        return who

    def finished(self) -> list[Pose]:
        """Returns the poses of all frames with all identities, which are unseen in place before they are needed."""
        poses, later = [], self.latest
        for pose in reversed(self.poses):
            known = len(pose.params)
            later = Pose(
                np.concatenate([pose.params, later.params[known:]]),
                np.concatenate([pose.depth, later.depth[known:]]),
                np.concatenate([pose.fade, np.zeros_like(later.fade[known:])]),
                np.concatenate([pose.still, np.ones_like(later.still[known:])]),
            )
            poses.append(later)
        return poses[::-1]

    def drawn(self) -> tuple[FloatArray, Placement]:
        """Returns params [M, 9] and placement of the latest frame for the engine, colors as composited."""
        context, pose = self.context, self.latest
        who = front_first(pose)
        params, _ = context.composited(pose.params[who])
        params[:, 5] *= pose.fade[who]
        return params, self.identities.placement(who)

    def _error_of(self, goal: Goal) -> FloatArray:
        image, _ = self.context.engine.forward(*self.drawn(), np.full_like(goal.target, 0.5))
        return image - self.context.light(goal.target)

    @property
    def _fade_step(self) -> float:
        return 1.0 / max(1, self.context.clip.fade)

    def _faded(self, fade: FloatArray) -> FloatArray:
        """Returns the fades [N] of the next frame."""
        step = np.where(self.leaving, -self._fade_step, self._fade_step).astype(np.float32)
        return np.where(fade > 0, np.minimum(_vanished(fade + step), 1.0), np.float32(0.0))

    def _unseen(self, template: IntArray, mirror: BoolArray, level: IntArray) -> IntArray:
        """Returns identities that are unseen in the latest two frames, new ones where necessary: index [K]."""
        own, known = self.identities, len(self.identities.template)
        free: dict[tuple[int, bool], list[int]] = {}
        for index in np.flatnonzero((self.latest.fade == 0) & (self.poses[-2].fade == 0)).tolist():
            free.setdefault((int(own.template[index]), bool(own.mirror[index])), []).append(index)
        chosen: list[int] = []
        new = np.zeros_like(mirror)
        for row, kind in enumerate(zip(template.tolist(), mirror.tolist(), strict=True)):
            alike = free.get(kind, [])
            near = next((i for i in alike if np.abs(own.level[i] - level[row]).max() <= NEAR_LEVELS), None)
            if near is None:
                near = known + int(new.sum())
                new[row] = True
            else:
                alike.remove(near)
            chosen.append(near)
        own.add(template[new], mirror[new], level[new])
        self._grow(int(new.sum()))
        return np.array(chosen, np.int64)

    def _grow(self, count: int) -> None:
        """Adds unseen identities to the latest two frames."""
        self.leaving = np.concatenate([self.leaving, np.zeros(count, np.bool_)])
        for pose in self.poses[-2:]:
            for name, values in vars(pose).items():
                setattr(pose, name, np.concatenate([values, np.zeros((count, *values.shape[1:]), values.dtype)]))


class FrameDescent:
    """The descent in a tracker's latest frame, on the primitives that are seen."""

    def __init__(self, tracker: Tracker, goal: Goal, changed: BoolArray) -> None:
        """Prepares the descent. changed: pixels [H, W] of the goal."""
        self._tracker, self._context, self._goal = tracker, tracker.context, goal
        self._near = widened(changed, REACH)
        aim = goal
        if not goal.transparent:
            aim, _ = steadied(goal, tracker.error, self._context)
        self._aim = aim
        # The same noise in all frames, to avoid flicker.
        self._objective = self._context.objective(aim, 0)
        self._places = int(PLACES * self._context.settings.count)
        self._show(front_first(tracker.latest))
        self._optimizer = Optimizer(
            tracker.latest.params[self._who],
            self._bounds(),
            self._frozen(),
            self._context.rule(self._context.clip.iterations),
            linear=self._context.linear,
        )

    def run(self) -> None:
        steps = self._context.clip.iterations
        searches = {int(share * steps) for share in SEARCHES} if self._relocates else set()
        for step in range(steps):
            drawn = self._optimizer.params.copy()
            drawn[:, 5] *= self._fade
            loss, gradient, scores = self._objective(drawn, self._placement, scored=step in searches)
            gradient[:, 5] *= self._fade
            self._optimizer.step(gradient, RATE + (LAST_RATE - RATE) * step / max(1, steps - 1))
            if scores is not None:
                self._relocate(loss, scores)
        self._tracker.latest.params[self._who] = self._optimizer.encoded

    def _show(self, who: IntArray) -> None:
        """Draws these identities (index [K]) from now on, the front one first."""
        tracker = self._tracker
        self._who, self._fade = who, tracker.latest.fade[who]
        self._placement = tracker.identities.placement(who)

    @property
    def _relocates(self) -> bool:
        context = self._context
        free = not context.settings.locked and self._goal.users_loss is None
        return free and context.clip.fade > 0 and self._places > 0

    @cached_property
    def _search(self) -> CandidateSearch:
        context = self._context
        return CandidateSearch(
            context.engine,
            self._aim.target,
            self._objective.weight,
            Choice(context.templates, context.limits, context.capacities, context.palette),
            context.recipe,
            context.random(len(self._tracker.poses)),
            spacing=context.spacing,
            linear=context.linear,
        )

    def _relocate(self, loss: float, scores: Scores) -> None:
        """Replaces the least useful primitives by better ones near changed pixels."""
        context, tracker, places = self._context, self._tracker, self._places
        tracker.latest.params[self._who] = self._optimizer.encoded
        stays = tracker.identities.locked[self._who] | (self._fade < 1)
        removal = np.where(stays, np.float32(math.inf), scores.removal)
        leaving = removal.argsort(kind="stable")[:places]
        near = replace(scores, loss_map=np.where(self._near, scores.loss_map, np.float32(0.0)))
        found = self._search.find(near, places, context.recipe.bias)
        found = found[found.best(context.recipe.climbers * places)]
        removed, added = exchange(
            loss,
            removal[leaving],
            leaving,
            tracker.identities.template[self._who],
            found,
            context.capacities,
            separation=context.recipe.separation,
        )
        if len(removed):
            self._exchange(removed, found[added])

    def _exchange(self, removed: IntArray, arriving: Candidates) -> None:
        """Lets the primitives at `removed` [K] leave, and candidates arrive in front."""
        tracker = self._tracker
        tracker.leave(self._who[removed])
        staying = tracker.latest.fade[self._who] > 0
        fresh = tracker.arrive(arriving)
        self._show(np.concatenate([fresh, self._who[staying]]))
        self._optimizer.rearrange(np.flatnonzero(staying), arriving.params, self._bounds(), self._frozen())

    def _bounds(self) -> Bounds:
        return self._context.bounds(self._tracker.identities.template[self._who])

    def _frozen(self) -> BoolArray:
        """Returns the params that do not change: [K, 9]."""
        tracker = self._tracker
        rows = (tracker.latest.still | tracker.identities.locked)[self._who]
        frozen = rows[:, None] | self._context.fixed_columns
        frozen[:, 5] |= tracker.leaving[self._who]
        return frozen


def _vanished(fade: FloatArray) -> FloatArray:
    """Returns fades [K] without the rounding that keeps them from 0."""
    return np.where(fade < _LEAST_FADE, np.float32(0.0), fade)


def _compared(goal: Goal) -> FloatArray:
    """Returns the planes of a goal in which changes matter: [C, H, W]."""
    planes = (goal.target, *(plane[None] for plane in (goal.weight, goal.hidden) if plane is not None))
    return np.concatenate(planes)
