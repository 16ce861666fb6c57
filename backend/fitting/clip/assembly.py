"""Conversion between layouts and the poses of a shot."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...job import Layout
from ..primitives import Primitives, layout_of
from .context import Context
from .tracking import Identities, Pose, picked


@dataclass
class Shot:
    """A part of a clip between two cuts."""

    first: int  # frame, number from 0
    identities: Identities
    poses: list[Pose]

    def packed(self) -> dict[str, Tensor]:
        """Returns the shot as named tensors."""
        poses = {name: torch.stack([getattr(pose, name) for pose in self.poses]) for name in vars(self.poses[0])}
        return {**poses, **vars(self.identities)}

    @classmethod
    def unpacked(cls, first: int, tensors: dict[str, Tensor]) -> Shot:
        """Returns the inverse of packed()."""
        planes = vars(picked(Pose, tensors)).values()
        return cls(first, picked(Identities, tensors), [Pose(*values) for values in zip(*planes, strict=True)])


def posed(layout: Layout, context: Context) -> tuple[Identities, Pose]:
    """Makes the first frame of a shot from the last of a layout. Unseen primitives become unseen identities."""
    last = layout.only([len(layout.frames) - 1])
    # In the order of their identities.
    primitives = Primitives.from_layout(replace(last, depth=None), context.templates, context.height, context.width)
    params = primitives.params
    seen = params[:, 5] > 0
    depth = torch.arange(len(params)) if last.depth is None else torch.from_numpy(last.depth[0]).long()
    level = torch.from_numpy(last.level).long()
    identities = Identities(primitives.template, primitives.mirror, level, primitives.region, primitives.locked)
    return identities, Pose(params, depth, seen.float(), torch.zeros_like(seen))


def assembled(shots: list[Shot], context: Context, frames: list[int], fps: float) -> Layout:
    """Joins all shots in one layout, where primitives are unseen outside their shot. frames: numbers in the scene.

    The files of its templates are empty, for the caller to fill in.
    """
    total, params, depth = len(frames), [], []
    for shot in shots:
        values = torch.stack([pose.params for pose in shot.poses])
        fades = torch.stack([pose.fade for pose in shot.poses])
        depths = torch.stack([pose.depth for pose in shot.poses])
        values[..., 5] *= fades
        index = (torch.arange(total) - shot.first).clamp(0, len(shot.poses) - 1)
        inside = (torch.arange(total) >= shot.first) & (torch.arange(total) < shot.first + len(shot.poses))
        params.append(values[index])
        params[-1][~inside, :, 5] = 0.0
        depth.append(depths[index] - depths.min())
    joined = {
        name: torch.cat([getattr(shot.identities, name) for shot in shots]).numpy()
        for name in vars(shots[0].identities)
    }
    return layout_of(
        torch.cat(params, 1),
        context.templates,
        context.settings,
        (context.height, context.width),
        **joined,
        fps=fps,
        frames=frames,
        depth=torch.cat(depth, 1).numpy(),
    )
