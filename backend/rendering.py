"""The public renderer: differentiable in PyTorch over any engine, and layouts to pictures."""

from __future__ import annotations

import math
import os
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .engines import make_rasterizer
from .engines.interface import STRIP_SAMPLES, Placement, Rasterizer
from .job import SPACES, Layout, UserError, check_choice
from .pictures.color import decode, encode
from .templates import LEVELS_PER_OCTAVE, Templates

DEVICES = ("cpu", "cuda")
"""The types of devices that tensors may be on, as torch calls them."""


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
    level: Tensor | None = None,  # [N, 2] mip level per axis; None = at most `bias` texels to a pixel
    background: Tensor | None = None,  # [3, H, W], or anything that broadcasts to it, display-encoded; None = white
    bias: float = 1.0,
    engine: str = "auto",
    space: str = "display",
    threads: int = 0,
) -> tuple[Tensor, Tensor]:
    """Composites primitives over a background, index 0 in front. See backend.job for the conventions.

    Returns the image [3, H, W], display-encoded whatever the compositing space, and its alpha [H, W]. Both are
    differentiable, once, in x, y, scale, rotation, opacity, color, aspect and background; template, mirror and level
    are not differentiated. The engine "reference" computes in the float type of x, the others in float32. A primitive
    without size, or at a place that is not a number, is not drawn.

    The results are on the device of x, as all tensors must be. Where that is a GPU, the engines "auto" and "cuda" are
    the one on it; any other pair of engine and device works too, and copies to and fro.

    Torch's threads keep the engine's from the cores for a while after each operation: where the loss is cheap, a loop
    is several times faster after torch.set_num_threads(1).

    Raises UserError for tensors on different devices, or of a shape or range that does not fit.
    """
    count, (height, width), device = len(x), size, x.device
    check_choice("space", space, SPACES)
    aspect = torch.ones_like(x) if aspect is None else aspect
    background = torch.ones(3, 1, 1, device=device) if background is None else background
    per_primitive = {"x": x, "y": y, "scale": scale, "rotation": rotation, "opacity": opacity, "aspect": aspect}
    _check_tensors(per_primitive, (count,), device)
    _check_tensors({"color": color}, (count, 3), device)
    placement = _placement(templates, scale.detach(), aspect.detach(), bias, template, mirror, level)
    geometry = torch.stack([x, y, scale, aspect, rotation, opacity], 1)
    dtype = geometry.dtype if engine == "reference" else torch.float32
    engines = _Engines(templates, _engine_on(device, engine), height, width, space, threads, dtype)
    return _composite(geometry, color, background, placement, engines)


def _engine_on(device: torch.device, engine: str) -> str:
    """The name of the engine for tensors on this device."""
    return str(device) if device.type == "cuda" and engine in ("auto", "cuda") else engine


def _composite(
    geometry: Tensor,  # [N, 6] the first columns of engines.PARAMETERS
    color: Tensor,  # [N, 3] display-encoded, as is the background
    background: Tensor,  # what broadcasts to [3, H, W]
    placement: Placement,
    engines: _Engines,
) -> tuple[Tensor, Tensor]:
    """The image [3, H, W], display-encoded, and its alpha [H, W]."""
    linear = engines.space == "linear"
    params = torch.cat([geometry, decode(color) if linear else color], 1).to(engines.dtype)
    shown = decode(background) if linear else background
    behind = _expanded(shown, engines.height, engines.width, params.device).to(engines.dtype)
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
    """The placement that render was given, and its defaults."""
    count, device = len(scale), scale.device
    given = template
    template = torch.zeros(count, dtype=torch.int64, device=device) if template is None else template.long()
    mirror = torch.zeros(count, dtype=torch.bool, device=device) if mirror is None else mirror.bool()
    _check_tensors({"template": template, "mirror": mirror}, (count,), device)
    # What was given is looked at, for which a GPU is waited for; defaults fit.
    if given is not None and not bool(((template >= 0) & (template < len(templates))).all()):
        raise UserError(f"template names a stamp that is not there: there are {len(templates)}")
    if level is None:
        return Placement(template, templates.choose_levels(template, scale, aspect, bias), mirror)
    level = level.long()
    _check_tensors({"level": level}, (count, 2), device)
    if not bool(((level >= 0) & (level < templates.shapes(device).level_count[template])).all()):
        raise UserError("level names a mip level that its stamp does not have: see Templates.level_count")
    return Placement(template, level, mirror)


def _expanded(background: Tensor, height: int, width: int, device: torch.device) -> Tensor:
    """Expands anything that broadcasts to it to [3, H, W]."""
    try:
        behind = background.expand(3, height, width)
    except RuntimeError as error:
        shape = tuple(background.shape)
        raise UserError(f"background has the shape {shape}, but (3, {height}, {width}) is needed") from error
    _check_tensors({"background": behind}, (3, height, width), device)
    return behind


@dataclass(frozen=True)
class _Engines:
    """Rasterizers for one kind of call of render, which keep their threads and memory from call to call."""

    templates: Templates
    engine: str
    height: int
    width: int
    space: str
    threads: int
    dtype: torch.dtype

    @contextmanager
    def one(self) -> Iterator[Rasterizer]:
        """The rasterizer that was used last with these templates if it fits, or a new one; for one user at a time."""
        # Threads do not survive a fork of the process.
        key = (self.engine, self.height, self.width, self.space, self.threads, self.dtype, os.getpid())
        latest, rasterizer = self.templates.derived.pop(_LATEST, (None, None))
        if latest != key:
            rasterizer = make_rasterizer(
                self.engine,
                self.templates,
                self.height,
                self.width,
                space=self.space,
                threads=self.threads,
                dtype=self.dtype,
            )
        yield rasterizer
        self.templates.derived[_LATEST] = key, rasterizer


_LATEST: Hashable = "latest rasterizer"


class _Rasterize(torch.autograd.Function):
    """The engine's forward and backward, in the numbers that are composited."""

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


def layout_tensors(layout: Layout, frame: int = 0) -> tuple[Tensor, Placement]:
    """A layout's frame as an engine takes it, front first: params [N, 9], display-encoded, and the placement."""
    order = torch.from_numpy(layout.order(frame))
    columns = (layout.x, layout.y, layout.scale, layout.aspect, layout.rotation, layout.opacity)
    params = torch.stack([torch.from_numpy(c[frame]) for c in columns], 1)
    params = torch.cat([params, torch.from_numpy(layout.color[frame])], 1)[order]
    placement = Placement(
        torch.from_numpy(layout.template)[order].long(),
        torch.from_numpy(layout.level)[order].long(),
        torch.from_numpy(layout.mirror)[order],
    )
    return params, placement


def render_layout(
    layout: Layout,
    templates: Templates,
    *,
    width: int | None = None,  # px of the picture; None = of the canvas
    supersample: int = 1,
    transparent: bool = False,
    frame: int = 0,
    engine: str = "auto",
    threads: int = 0,
) -> Tensor:
    """A layout's frame as a picture: [4, H, W] straight RGBA, display-encoded, on the CPU.

    Over the layout's background the alpha is 1; `transparent` leaves the background out. A wider picture takes finer
    mip levels by as much. supersample = n renders n x n samples a pixel on the same levels and averages them in the
    compositing space (3 gives the picture that is called `aa`).
    """
    return next(
        render_strips(
            layout,
            templates,
            width=width,
            supersample=supersample,
            transparent=transparent,
            frame=frame,
            engine=engine,
            threads=threads,
            samples=None,
        )
    )


def render_strips(
    layout: Layout,
    templates: Templates,
    *,
    width: int | None = None,
    supersample: int = 1,
    transparent: bool = False,
    frame: int = 0,
    engine: str = "auto",
    threads: int = 0,
    samples: int | None = STRIP_SAMPLES,  # of a strip, at most; None = one strip
) -> Iterator[Tensor]:
    """The picture of render_layout in strips from top to bottom, [4, rows, W] each, so that memory is bounded."""
    width = width or layout.width
    height = picture_height(layout, width)
    params, placement = scaled_tensors(layout, templates, width, frame)
    linear = layout.space == "linear"
    params[:, :3] *= supersample
    background = torch.tensor(layout.background)
    if linear:
        params[:, 6:9], background = decode(params[:, 6:9]), decode(background)
    behind = torch.zeros(3) if transparent else background
    most = height if samples is None else max(1, samples // (width * supersample**2))
    for top in range(0, height, most):
        rows = min(most, height - top)
        size = rows * supersample, width * supersample
        rasterizer = make_rasterizer(engine, templates, *size, space=layout.space, threads=threads)
        there = rasterizer.torch_device
        moved = params.clone()
        moved[:, 1] -= top * supersample
        plane = behind.to(there)[:, None, None].expand(3, *size)
        image, alpha = rasterizer.forward(moved.to(there), placement.to(there), plane)
        yield _finished(image, alpha, supersample, transparent, linear)


def _finished(
    image: Tensor,  # [3, H, W] in the numbers that are composited, premultiplied where transparent
    alpha: Tensor,  # [H, W]
    supersample: int,
    transparent: bool,
    linear: bool,
) -> Tensor:
    """The picture [4, H, W] as render_layout returns it."""
    if supersample > 1:
        image = torch.nn.functional.avg_pool2d(image, supersample)
        alpha = torch.nn.functional.avg_pool2d(alpha[None], supersample)[0]
    if transparent:
        image = image / alpha.clamp_min(1e-6)
    else:
        alpha = torch.ones_like(alpha)
    return torch.cat([encode(image) if linear else image, alpha[None]]).clamp(0, 1).cpu()


def picture_height(layout: Layout, width: int) -> int:
    """The height of a layout's picture of this width, px."""
    return max(1, round(layout.height * width / layout.width))


def scaled_tensors(layout: Layout, templates: Templates, width: int, frame: int = 0) -> tuple[Tensor, Placement]:
    """The tensors of a layout for a picture of another width: on mip levels that are finer by as much."""
    factor = width / layout.width
    params, placement = layout_tensors(layout, frame)
    finer = round(LEVELS_PER_OCTAVE * math.log2(factor))
    params[:, :3] *= factor
    level = (placement.level - finer).clamp_min(0).minimum(templates.level_count[placement.template] - 1)
    if finer < 0:
        # A stamp that is magnified on the canvas has no texels to spare.
        needed = templates.choose_levels(placement.template, params[:, 2], params[:, 3])
        level = level.minimum(placement.level.maximum(needed))
    placement.level = level
    return params, placement
