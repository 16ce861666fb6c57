"""The primitives of a fit as tensors: to and from a layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..engines.interface import Placement
from ..job import MOVING, Layout, Settings, TemplateSpec, UserError
from ..pictures.color import decode
from ..rendering import layout_tensors
from ..templates import Templates


@dataclass
class Primitives:
    """N primitives, front first."""

    params: Tensor  # [N, 9], columns of engines.PARAMETERS, colors display-encoded
    template: Tensor  # [N] int64
    mirror: Tensor  # [N] bool
    locked: Tensor  # [N] bool
    region: Tensor  # [N] int32
    kept: Tensor  # [N] bool: not to be replaced

    @classmethod
    def new(cls, params: Tensor, template: Tensor) -> Primitives:
        """Returns new primitives, neither mirrored nor locked, all of region 0."""
        no = torch.zeros_like(template, dtype=torch.bool)
        return cls(params, template, no, no.clone(), torch.zeros_like(template, dtype=torch.int32), no.clone())

    @classmethod
    def from_layout(cls, layout: Layout, templates: Templates, height: int, width: int) -> Primitives:
        """Takes a layout's first frame, to be kept, scaled to a canvas of height x width px.

        Raises UserError if it has no primitives or uses more templates than there are.
        """
        if layout.count == 0:
            raise UserError("The layout to continue from is empty: start without it")
        used = int(layout.template.max()) + 1
        if used > len(templates):
            raise UserError(f"The layout to continue from uses {used} stamps, but only {len(templates)} are given")
        params, placement = layout_tensors(layout)
        factor_x, factor_y = width / layout.width, height / layout.height
        params[:, :3] *= torch.tensor([factor_x, factor_y, (factor_x * factor_y) ** 0.5])
        order = layout.order(0)
        locked, region = torch.from_numpy(layout.locked[order]), torch.from_numpy(layout.region[order])
        kept = torch.ones_like(locked)
        return cls(params, placement.template, placement.mirror, locked, region, kept)

    def before(self, others: Primitives) -> Primitives:
        """Returns these primitives in front of the others."""
        return Primitives(**{name: torch.cat([own, getattr(others, name)]) for name, own in vars(self).items()})

    def to(self, device: torch.device) -> Primitives:
        return Primitives(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def placement(self, templates: Templates, bias: float) -> Placement:
        """Returns the placement for drawing, with mip levels of `bias` texels per canvas pixel."""
        level = templates.choose_levels(self.template, self.params[:, 2], self.params[:, 3], bias)
        return Placement(self.template, level, self.mirror)

    def rearranged(self, order: Tensor, template: Tensor, mirror: Tensor) -> Primitives:
        """Returns new ones of template [K] and mirror [K] in front of those at `order` (index), without params."""
        fresh = Primitives.new(self.params[:0], template)
        names = ("locked", "region", "kept")
        both = {name: torch.cat([getattr(fresh, name), getattr(self, name)[order]]) for name in names}
        return Primitives(
            self.params[:0],
            torch.cat([template, self.template[order]]),
            torch.cat([mirror, self.mirror[order]]),
            **both,
        )

    def to_layout(self, level: Tensor, templates: Templates, settings: Settings, height: int, width: int) -> Layout:
        """Returns a layout of one frame: see layout_of. The primitives and their level [N, 2] are on the CPU."""
        return layout_of(
            self.params[None],
            templates,
            settings,
            (height, width),
            template=self.template.numpy(),
            level=level.numpy(),
            region=self.region.numpy().copy(),
            mirror=self.mirror.numpy().copy(),
            locked=self.locked.numpy().copy(),
        )


def layout_of(
    params: Tensor, templates: Templates, settings: Settings, canvas: tuple[int, int], **others: Any
) -> Layout:
    """Returns a layout of params [F, N, 9] on the CPU, colors display-encoded; canvas: its height and width, px.

    The files of its templates are empty, for the caller to fill in. others: further fields of Layout.
    """
    # A copy: the layout must not change with the fit.
    columns = params.permute(2, 0, 1).clone(memory_format=torch.contiguous_format).numpy()
    others |= dict(zip(MOVING[:-1], columns, strict=False), color=np.moveaxis(columns[6:], 0, 2))
    height, width = canvas
    return Layout(
        **others,
        width=width,
        height=height,
        templates=template_specs(templates),
        space=settings.space,
        background=settings.background,
        transparent=settings.transparent,
    )


def as_composited(params: Tensor, linear: bool) -> Tensor:
    """Returns params [N, 9] with their display-encoded colors as they are composited: in linear light or unchanged."""
    return torch.cat([params[:, :6], decode(params[:, 6:])], 1) if linear else params


def template_specs(templates: Templates) -> list[TemplateSpec]:
    """Returns the templates as a layout names them, with empty files."""
    sizes = [(item.height, item.width) for item in templates.items]
    return [
        TemplateSpec("", item.name, item.mode, item.blend, width, height, item.limits)  # type: ignore[arg-type]
        for item, (height, width) in zip(templates.items, sizes, strict=True)
    ]
