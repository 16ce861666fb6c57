"""Conversion between layouts and the poses of a shot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...job import Array, Layout
from ..primitives import Primitives, layout_of
from .context import Context
from .tracking import Identities, Pose, picked


@dataclass
class Shot:
    """A part of a clip between two cuts."""

    first: int  # frame, number from 0
    identities: Identities
    poses: list[Pose]

    def packed(self) -> dict[str, Array]:
        """Returns the shot as named arrays."""
        poses = {name: np.stack([getattr(pose, name) for pose in self.poses]) for name in vars(self.poses[0])}
        return {**poses, **vars(self.identities)}

    @classmethod
    def unpacked(cls, first: int, arrays: dict[str, Array]) -> Shot:
        """Returns the inverse of packed()."""
        planes = vars(picked(Pose, arrays)).values()
        return cls(first, picked(Identities, arrays), [Pose(*values) for values in zip(*planes, strict=True)])


def posed(layout: Layout, context: Context) -> tuple[Identities, Pose]:
    """Makes the first frame of a shot from the last of a layout. Unseen primitives become unseen identities."""
    last = layout.only([len(layout.frames) - 1])
    # In the order of their identities.
    primitives = Primitives.from_layout(replace(last, depth=None), context.templates, context.height, context.width)
    params = primitives.params
    seen = params[:, 5] > 0
    depth = np.arange(len(params)) if last.depth is None else last.depth[0]
    level = last.level.astype(np.int64)
    identities = Identities(primitives.template, primitives.mirror, level, primitives.region, primitives.locked)
    return identities, Pose(params, depth.astype(np.int64), seen.astype(np.float32), np.zeros_like(seen))


def assembled(shots: list[Shot], context: Context, frames: list[int], fps: float) -> Layout:
    """Joins all shots in one layout, where primitives are unseen outside their shot. frames: numbers in the scene.

    The files of its templates are empty, for the caller to fill in.
    """
    total, params, depth = len(frames), [], []
    for shot in shots:
        values = np.stack([pose.params for pose in shot.poses])
        fades = np.stack([pose.fade for pose in shot.poses])
        depths = np.stack([pose.depth for pose in shot.poses])
        values[..., 5] *= fades
        since = np.arange(total) - shot.first
        index = since.clip(0, len(shot.poses) - 1)
        inside = since == index
        params.append(values[index])
        params[-1][~inside, :, 5] = 0.0
        depth.append(depths[index] - depths.min())
    joined = {
        name: np.concatenate([getattr(shot.identities, name) for shot in shots]) for name in vars(shots[0].identities)
    }
    return layout_of(
        np.concatenate(params, 1),
        context.templates,
        context.settings,
        (context.height, context.width),
        **joined,
        fps=fps,
        frames=frames,
        depth=np.concatenate(depth, 1),
    )
