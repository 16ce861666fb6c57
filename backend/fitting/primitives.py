"""The primitives of a fit as tensors: to and from a layout."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..engines.interface import Placement
from ..job import Layout, Settings, TemplateSpec, UserError
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
    kept: Tensor  # [N] bool: none takes its place

    @classmethod
    def new(cls, params: Tensor, template: Tensor) -> Primitives:
        """New primitives, neither mirrored nor locked, all of region 0."""
        no = torch.zeros_like(template, dtype=torch.bool)
        return cls(params, template, no, no.clone(), torch.zeros_like(template, dtype=torch.int32), no.clone())

    @classmethod
    def from_layout(cls, layout: Layout, templates: Templates, height: int, width: int) -> Primitives:
        """A layout's first frame, to be kept, scaled to a canvas of height x width px where it was made for another.

        Raises UserError if it has no primitives, or uses more templates than there are.
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
        """All of these in front of the others."""
        return Primitives(**{name: torch.cat([own, getattr(others, name)]) for name, own in vars(self).items()})

    def to(self, device: torch.device) -> Primitives:
        return Primitives(**{name: tensor.to(device) for name, tensor in vars(self).items()})

    def placement(self, templates: Templates, bias: float) -> Placement:
        """The placement by which engines draw them, with mip levels of `bias` texels a canvas pixel."""
        level = templates.choose_levels(self.template, self.params[:, 2], self.params[:, 3], bias)
        return Placement(self.template, level, self.mirror)

    def rearranged(self, order: Tensor, template: Tensor, mirror: Tensor) -> Primitives:
        """New ones with these templates [K] and mirrors [K] in front of those at `order` (index), without params."""
        fresh = Primitives.new(self.params[:0], template)
        names = ("locked", "region", "kept")
        both = {name: torch.cat([getattr(fresh, name), getattr(self, name)[order]]) for name in names}
        return Primitives(
            self.params[:0],
            torch.cat([template, self.template[order]]),
            torch.cat([mirror, self.mirror[order]]),
            **both,
        )

    def to_layout(
        self,
        level: Tensor,  # [N, 2]
        templates: Templates,
        settings: Settings,
        height: int,
        width: int,
    ) -> Layout:
        """A layout of one frame, of primitives and a level that are on the CPU.

        Its templates' files are left empty: they are the caller's to fill in.
        """
        # A copy: what the layout holds must not change with the fit.
        columns = self.params.T.clone(memory_format=torch.contiguous_format).numpy()
        x, y, scale, aspect, rotation, opacity = columns[:6, None]
        return Layout(
            x=x,
            y=y,
            scale=scale,
            aspect=aspect,
            rotation=rotation,
            opacity=opacity,
            color=columns[6:].T[None],
            template=self.template.numpy(),
            level=level.numpy(),
            region=self.region.numpy().copy(),
            mirror=self.mirror.numpy().copy(),
            locked=self.locked.numpy().copy(),
            width=width,
            height=height,
            templates=template_specs(templates),
            space=settings.space,
            background=settings.background,
            transparent=settings.transparent,
        )


def template_specs(templates: Templates) -> list[TemplateSpec]:
    """The templates as a layout names them; their files are left empty."""
    return [_spec(templates, index) for index in range(len(templates))]


def _spec(templates: Templates, index: int) -> TemplateSpec:
    item = templates.items[index]
    height, width = item.rgba.shape[:2]
    return TemplateSpec("", item.name, item.mode, item.blend, width, height, item.limits)  # type: ignore[arg-type]
