"""The public renderer: differentiable in PyTorch, with any engine."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ..job import SPACES, UserError, check_choice, check_range
from ..templates import Templates
from . import check_canvas
from .interface import PARAMETERS
from .light import decode, encode
from .rasterizers import make_rasterizer
from .tensors import Placement, Rasterizer

MOST_PRIMITIVES = 2**24
"""The most primitives in one call."""
LARGEST = 1e18
"""The largest number of a primitive that `render` takes: single precision holds its square."""

DEVICES = ("cpu", "cuda")
"""The types of devices, in PyTorch's names, that tensors may be on."""


def render(
    x: Tensor,  # [N] px
    y: Tensor,  # [N] px
    scale: Tensor,  # [N] px, half of the template's longer side
    rotation: Tensor,  # [N] radians, clockwise
    opacity: Tensor,  # [N] in [0, 1]
    color: Tensor,  # [N, 3] display-encoded
    *,
    templates: Templates,
    size: tuple[int, int],  # height, width of the canvas, px
    template: Tensor | None = None,  # [N] index into templates; None = the first
    aspect: Tensor | None = None,  # [N]; None = 1
    mirror: Tensor | None = None,  # [N] bool; None = not
    level: Tensor | None = None,  # [N, 2] mip level per axis; None = at most `bias` texels per pixel
    background: Tensor | None = None,  # broadcasts to [3, H, W], display-encoded; None = white
    bias: float = 1.0,
    engine: str = "auto",
    space: str = "display",
    threads: int = 0,
) -> tuple[Tensor, Tensor]:
    """Composites primitives over a background, index 0 in front. See backend.job for the conventions.

    Returns the image [3, H, W], display-encoded in both compositing spaces, and its alpha [H, W]. Both are
    differentiable, once, in x, y, scale, rotation, opacity, color, aspect and background. The engine "reference"
    computes in the float type of x, the others in float32. A primitive of size zero or at a NaN is not drawn. Other
    numbers must be at most LARGEST, and the canvas at most engines.LONGEST_SIDE on each side.

    All tensors must be on the device of x, and so are the results. On a GPU, the engines "auto" and "cuda" use it;
    other pairs of engine and device work too, with copies.

    PyTorch's threads occupy the cores for a while after each operation. If the loss is cheap, a loop is several times
    faster after torch.set_num_threads(1).

    Raises UserError for tensors on different devices, and for a wrong shape or range.
    """
    count, device = len(x), x.device
    check_choice("space", space, SPACES)
    check_canvas(*size)
    check_range("bias", bias, 1e-3, 1e3)
    aspect = torch.ones_like(x) if aspect is None else aspect
    background = torch.ones(3, 1, 1, device=device) if background is None else background
    per_primitive = {"x": x, "y": y, "scale": scale, "rotation": rotation, "opacity": opacity, "aspect": aspect}
    _check_tensors(per_primitive, (count,), device)
    _check_tensors({"color": color}, (count, 3), device)
    geometry = torch.stack([x, y, scale, aspect, rotation, opacity], 1)
    _check_params(torch.cat([geometry, color], 1))  # waits for a GPU, as the engine does anyway
    placement = _placement(templates, scale.detach(), aspect.detach(), bias, template, mirror, level)
    dtype = geometry.dtype if engine == "reference" else torch.float32
    engines = _Engines(templates, _engine_on(device, engine), size, space, threads, dtype)
    return _composite(geometry, color, background, placement, engines)


def _check_params(params: Tensor) -> None:
    """Raises UserError for more than MOST_PRIMITIVES, and for a number in params [N, 9] beyond LARGEST or infinite.

    NaN is allowed: it is not drawn. Waits for a GPU, once.
    """
    if len(params) > MOST_PRIMITIVES:
        raise UserError(f"There are {len(params):,} primitives, but the limit is {MOST_PRIMITIVES:,}: draw some later")
    beyond = params.detach().abs() > LARGEST
    if bool(beyond.any()):
        row, column = beyond.nonzero()[0].tolist()
        value = float(params[row, column])
        raise UserError(f"{PARAMETERS[column]}[{row}] is {value:g}, but must be from {-LARGEST:g} to {LARGEST:g}")


def _engine_on(device: torch.device, engine: str) -> str:
    """The name of the engine for tensors on this device."""
    return str(device) if device.type == "cuda" and engine in ("auto", "cuda") else engine


def _composite(
    geometry: Tensor,  # [N, 6] the first columns of engines.PARAMETERS
    color: Tensor,  # [N, 3] display-encoded
    background: Tensor,  # broadcasts to [3, H, W], display-encoded
    placement: Placement,
    engines: _Engines,
) -> tuple[Tensor, Tensor]:
    """The image [3, H, W], display-encoded, and its alpha [H, W]."""
    linear = engines.space == "linear"
    params = torch.cat([geometry, decode(color) if linear else color], 1).to(engines.dtype)
    shown = decode(background) if linear else background
    behind = _expanded(shown, *engines.size, params.device).to(engines.dtype)
    image, alpha = _Rasterize.apply(params, behind, placement, engines)  # type: ignore[no-untyped-call]
    return (encode(image) if linear else image), alpha


def _check_tensors(tensors: dict[str, Tensor], shape: tuple[int, ...], device: torch.device) -> None:
    for name, tensor in tensors.items():
        if tuple(tensor.shape) != shape:
            raise UserError(f"{name} has the shape {tuple(tensor.shape)}, but {shape} is needed")
        if tensor.device.type not in DEVICES:
            raise UserError(f"{name} is on {tensor.device}, where no engine computes: move it by .cpu()")
        if tensor.device != device:
            raise UserError(f"{name} is on {tensor.device}, but x is on {device}: move it by .to(x.device)")


def _placement(
    templates: Templates,
    scale: Tensor,
    aspect: Tensor,
    bias: float,
    template: Tensor | None,
    mirror: Tensor | None,
    level: Tensor | None,
) -> Placement:
    """The placement for the arguments of render, with its defaults."""
    count, device = len(scale), scale.device
    given = template
    template = torch.zeros(count, dtype=torch.int64, device=device) if template is None else template.long()
    mirror = torch.zeros(count, dtype=torch.bool, device=device) if mirror is None else mirror.bool()
    _check_tensors({"template": template, "mirror": mirror}, (count,), device)
    # Only given values are checked: the check waits for a GPU.
    if given is not None and not bool(((template >= 0) & (template < len(templates))).all()):
        raise UserError(f"template has an index without a stamp: use 0 to {len(templates) - 1}")
    if level is None:
        # The levels are chosen on the host, in the same way for all.
        stamps, scales, aspects = (tensor.cpu().numpy() for tensor in (template, scale.float(), aspect.float()))
        chosen = templates.choose_levels(stamps, scales, aspects, bias)
        return Placement(template, torch.from_numpy(chosen).to(device), mirror)
    level = level.long()
    _check_tensors({"level": level}, (count, 2), device)
    counts = torch.from_numpy(templates.level_count).to(device)
    if not bool(((level >= 0) & (level < counts[template])).all()):
        raise UserError("level has a mip level that its stamp lacks: see Templates.level_count")
    return Placement(template, level, mirror)


def _expanded(background: Tensor, height: int, width: int, device: torch.device) -> Tensor:
    """Expands the background to [3, H, W]. Raises UserError where it does not broadcast."""
    try:
        behind = background.expand(3, height, width)
    except RuntimeError as error:
        shape = tuple(background.shape)
        raise UserError(f"background has the shape {shape}, but (3, {height}, {width}) is needed") from error
    _check_tensors({"background": behind}, (3, height, width), device)
    return behind


@dataclass(frozen=True)
class _Engines:
    """The rasterizers for one kind of call of render, which keep threads and memory between calls."""

    templates: Templates
    engine: str
    size: tuple[int, int]  # height, width, px
    space: str
    threads: int
    dtype: torch.dtype

    @contextmanager
    def one(self) -> Iterator[Rasterizer]:
        """Lends the last rasterizer of these templates if it fits, or a new one, to one caller at a time."""
        # Threads do not survive a fork of the process.
        key = (self.engine, self.size, self.space, self.threads, self.dtype, os.getpid())
        latest, rasterizer = self.templates.derived.pop(_LATEST, (None, None))
        if latest != key:
            rasterizer = make_rasterizer(
                self.engine, self.templates, *self.size, space=self.space, threads=self.threads, dtype=self.dtype
            )
        yield rasterizer
        self.templates.derived[_LATEST] = key, rasterizer


_LATEST: Hashable = "latest rasterizer"


class _Rasterize(torch.autograd.Function):
    """The engine's forward and backward, with colors in the compositing space."""

    @staticmethod
    def forward(
        ctx: Any,
        params: Tensor,  # [N, 9]
        background: Tensor,  # [3, H, W]
        placement: Placement,
        engines: _Engines,
    ) -> tuple[Tensor, Tensor]:
        with engines.one() as rasterizer:
            there = rasterizer.torch_device
            shown = rasterizer.forward(params.to(there), placement.to(there), background.to(there))
        image, alpha = (plane.to(params.device) for plane in shown)
        ctx.save_for_backward(params, background, alpha)
        ctx.placement, ctx.engines = placement, engines
        return image, alpha

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: Tensor) -> tuple[Tensor | None, ...]:
        grad_image, grad_alpha = cotangents
        params, background, alpha = ctx.saved_tensors
        grad_params = grad_background = None
        if ctx.needs_input_grad[0]:
            with ctx.engines.one() as rasterizer:
                there = rasterizer.torch_device
                planes = (plane.to(there) for plane in (background, grad_image, grad_alpha))
                grad_params = rasterizer.backward(params.to(there), ctx.placement.to(there), *planes).to(params.device)
        if ctx.needs_input_grad[1]:
            grad_background = (1 - alpha) * grad_image
        return grad_params, grad_background, None, None
