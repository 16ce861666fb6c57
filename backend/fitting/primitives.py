"""The primitives of a fit as arrays: to and from a layout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..engines.interface import Placement
from ..job import MOVING, Layout, Settings, TemplateSpec, UserError
from ..layouts.rendering import layout_arrays
from ..native.arrays import BoolArray, FloatArray, IntArray
from ..pictures.color import decode
from ..templates import Templates


@dataclass(eq=False)
class Primitives:
    """N primitives, front first."""

    params: FloatArray  # [N, 9], columns of engines.PARAMETERS, colors display-encoded
    template: IntArray  # [N]
    mirror: BoolArray  # [N]
    locked: BoolArray  # [N]
    region: NDArray[np.int32]  # [N]
    kept: BoolArray  # [N] not to be replaced

    @classmethod
    def new(cls, params: FloatArray, template: IntArray) -> Primitives:
        """Returns new primitives, neither mirrored nor locked, all of region 0."""
        no = np.zeros(len(template), np.bool_)
        return cls(params, template, no, no.copy(), np.zeros(len(template), np.int32), no.copy())

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
        params, placement = layout_arrays(layout)
        factor_x, factor_y = width / layout.width, height / layout.height
        params[:, :3] *= np.array([factor_x, factor_y, math.sqrt(factor_x * factor_y)], np.float32)
        order = layout.order(0)
        kept = np.ones(layout.count, np.bool_)
        return cls(params, placement.template, placement.mirror, layout.locked[order], layout.region[order], kept)

    def before(self, others: Primitives) -> Primitives:
        """Returns these primitives in front of the others."""
        return Primitives(**{name: np.concatenate([own, getattr(others, name)]) for name, own in vars(self).items()})

    def placement(self, templates: Templates, bias: float) -> Placement:
        """Returns the placement for drawing, with mip levels of `bias` texels per canvas pixel."""
        level = templates.choose_levels(self.template, self.params[:, 2], self.params[:, 3], bias)
        return Placement(self.template, level, self.mirror)

    def rearranged(self, order: IntArray, template: IntArray, mirror: BoolArray) -> Primitives:
        """Returns new ones of template [K] and mirror [K] in front of those at `order` (index), without params."""
        fresh = Primitives.new(self.params[:0], template)
        names = ("locked", "region", "kept")
        both = {name: np.concatenate([getattr(fresh, name), getattr(self, name)[order]]) for name in names}
        return Primitives(
            self.params[:0],
            np.concatenate([template, self.template[order]]),
            np.concatenate([mirror, self.mirror[order]]),
            **both,
        )

    def to_layout(self, level: IntArray, templates: Templates, settings: Settings, height: int, width: int) -> Layout:
        """Returns a layout of one frame: see layout_of. level: [N, 2]"""
        return layout_of(
            self.params[None],
            templates,
            settings,
            (height, width),
            template=self.template,
            level=level,
            region=self.region.copy(),
            mirror=self.mirror.copy(),
            locked=self.locked.copy(),
        )


def layout_of(
    params: FloatArray, templates: Templates, settings: Settings, canvas: tuple[int, int], **others: Any
) -> Layout:
    """Returns a layout of params [F, N, 9], colors display-encoded; canvas: its height and width, px.

    The files of its templates are empty, for the caller to fill in. others: further fields of Layout.
    """
    # A copy: the layout must not change with the fit.
    columns = np.moveaxis(params, 2, 0).copy()
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


def as_composited(params: FloatArray, linear: bool) -> FloatArray:
    """Returns params [N, 9] with their display-encoded colors as they are composited: in linear light or unchanged."""
    return np.concatenate([params[:, :6], decode(params[:, 6:])], 1) if linear else params


def template_specs(templates: Templates) -> list[TemplateSpec]:
    """Returns the templates as a layout names them, with empty files."""
    sizes = [(item.height, item.width) for item in templates.items]
    return [
        TemplateSpec("", item.name, item.mode, item.blend, width, height, item.limits)  # type: ignore[arg-type]
        for item, (height, width) in zip(templates.items, sizes, strict=True)
    ]
