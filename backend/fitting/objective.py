"""What a fit descends: the loss of the primitives over a canvas that is new noise in every step.

On a fixed canvas a fit lets that canvas shine through wherever it happens to suit, and the result falls apart on any
other. Noise suits nowhere, so the primitives learn to cover.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from ..color import decode, encode
from ..engines import Iteration, Placement, Rasterizer, Scores
from ..filters import shrunk
from ..job import UserError
from ..losses import Combination, Loss, pixel_error
from ..losses.regularizers import Stamps
from ..templates import Templates

NOISE_OFFSETS = 4096
"""Places at which the noise may start: more than a usual fit has steps."""
NOISE_STRIDE = 16  # numbers: a step of whole cache lines
OPEN_CONTRAST = 8.0
"""How much stronger the noise is where the canvas shows through the goal: errors of alpha then count for more.

The PSNR of 600 stamps in a photograph that is cut out, shown on white, black and a grey checkerboard, differs by up to
0.4 dB with 1, 0.33 dB with 3 and 0.26 dB with 8 or with noise that is 0 or 1; the PSNR itself is the same.
"""
BEST_PSNR = 100.0  # dB, reported for pictures that are equal
CPU = torch.device("cpu")


class NoiseCanvas:
    """A new per-pixel random canvas whenever it is asked for, all cut from one sequence of random numbers.

    Cutting elsewhere costs nothing, where drawing three numbers a pixel would cost half a step.
    """

    def __init__(
        self,
        height: int,
        width: int,
        generator: torch.Generator,
        linear: bool,
        device: torch.device = CPU,  # where it is to be; its numbers are the same on any
        contrast: float = 1.0,
    ) -> None:
        self._shape = (3, height, width)
        field = torch.rand(3 * height * width + NOISE_OFFSETS * NOISE_STRIDE, generator=generator).to(device)
        if contrast != 1.0:
            field = ((field - 0.5) * contrast + 0.5).clamp_(0.0, 1.0)
        self._field = decode(field) if linear else field
        self._generator = generator

    def restarted(self, generator: torch.Generator) -> NoiseCanvas:
        """The same random numbers, cut by another generator."""
        result = copy(self)
        result._generator = generator
        return result

    def draw(self) -> Tensor:
        """[3, H, W] in the compositing space, not to be written to."""
        offset = NOISE_STRIDE * int(torch.randint(NOISE_OFFSETS, (), generator=self._generator))
        return self._field[offset : offset + math.prod(self._shape)].view(self._shape)


@dataclass(frozen=True)
class Goal:
    """What a fit is to look like, and how that is judged."""

    target: Tensor  # [3, H, W] display-encoded
    weight: Tensor | None = None  # [H, W] from 0 = stays clear to 1 = counts fully
    importance: Tensor | None = None  # [H, W] factor on the training's errors
    background: tuple[float, float, float] = (1.0, 1.0, 1.0)  # judged on, display-encoded
    losses: Mapping[str, float] = field(default_factory=dict)  # weights by name; none = "mse"
    users_loss: Loss | None = None  # in place of them
    containment: float = 1.0  # weight of what is to stay clear, relative to what counts most
    hidden: Tensor | None = None  # [H, W] share that something in front covers: it neither counts nor must stay clear
    transparent: bool = False  # the weight is also the alpha that the result is to have
    straight: Tensor | None = None  # [3, H, W] the target's own colours, where it is transparent

    @property
    def colors(self) -> Tensor:
        """The target's own colours [3, H, W], whatever is behind it."""
        return self.target if self.straight is None else self.straight

    @property
    def seen(self) -> Tensor | None:
        """What of the weight is seen: [H, W], None = everything alike; raises UserError where it is 0 all over."""
        return None if self.weight is None else self.weights

    @property
    def weights(self) -> Tensor:
        """What of the weight is seen: [H, W]; raises UserError where it is 0 all over."""
        weight = torch.ones_like(self.target[0]) if self.weight is None else self.weight
        if self.hidden is not None:
            weight = weight * (1.0 - self.hidden)
        if float(weight.double().sum()) <= 0:
            raise UserError("The mask is black everywhere, so nothing would be placed: paint white what counts")
        return weight

    @property
    def blank(self) -> bool:
        """Whether all of it is to stay clear."""
        return self.weight is not None and not bool((self.weight > 0).any())

    @property
    def counts(self) -> bool:
        """Whether any of it does."""
        if self.weight is None:
            return self.hidden is None or bool((self.hidden < 1).any())
        return bool((self.weight if self.hidden is None else self.weight * (1.0 - self.hidden)).any())

    def to(self, device: torch.device) -> Goal:
        return self._mapped(lambda planes: planes.to(device))

    def shrunk(self, factor: int) -> Goal:
        """The same for a picture that is smaller by this factor."""
        return self._mapped(lambda planes: shrunk(planes, factor))

    def _mapped(self, change: Callable[[Tensor], Tensor]) -> Goal:
        """The same with another target and other planes; change takes and gives [C, H, W]."""
        planes = {name: getattr(self, name) for name in ("weight", "importance", "hidden")}
        planes = {name: None if plane is None else change(plane[None])[0] for name, plane in planes.items()}
        straight = None if self.straight is None else change(self.straight)
        return replace(self, target=change(self.target), straight=straight, **planes)


class Judge:
    """Shows params [N, 9] (colours as composited) on the goal's background, and compares."""

    def __init__(self, rasterizer: Rasterizer, goal: Goal, *, linear: bool = False) -> None:
        self._rasterizer, self._target, self._linear = rasterizer, goal.target, linear
        weight = goal.weights
        self._weight = weight / (3.0 * float(weight.double().sum()))
        plain = torch.tensor(goal.background).to(goal.target.device).reshape(3, 1, 1)
        self._background = (decode(plain) if linear else plain).expand_as(goal.target)

    def __call__(self, params: Tensor, placement: Placement) -> tuple[Tensor, float]:
        """The image [3, H, W], display-encoded, on the CPU, and its PSNR where the target counts, in dB."""
        image, _ = self._rasterizer.forward(params, placement, self._background)
        image = (encode(image) if self._linear else image).clamp_(0.0, 1.0)
        error = pixel_error(image, self._target, self._weight)
        return image.cpu(), min(BEST_PSNR, -10.0 * math.log10(max(error, 1e-30)))


class _Open:
    """A goal whose canvas shows through as much as the goal is transparent, so that the result is equally so.

    All images are as composited.
    """

    def __init__(self, goal: Goal, linear: bool) -> None:
        assert goal.weight is not None
        self.share = 1.0 - goal.weight.clamp_max(1.0)  # [H, W] of the canvas that is to be seen
        background = torch.tensor(goal.background).to(goal.target.device).reshape(3, 1, 1)
        self._background = decode(background) if linear else background
        target = decode(goal.target) if linear else goal.target
        self._own = (target - self.share * self._background).clamp_min(0.0)

    def target_over(self, canvas: Tensor) -> Tensor:
        """The target [3, H, W] over a canvas [3, H, W]."""
        return torch.addcmul(self._own, self.share, canvas)

    def over_background(self, image: Tensor, canvas: Tensor) -> Tensor:
        """An image [3, H, W] that was drawn over a canvas, with the background in what of it is to be seen."""
        # Not cut off at 0: what covers too much must be told so on a dark background, too.
        return image + self.share * (self._background - canvas)


class Objective:
    """Loss and gradient of params [N, 9] (colours as composited).

    The gradient is that of the loss times N: of the order of 1 for a primitive, whatever the picture's size and N.
    Losses are not looked at, which would be to wait for the device; whoever reads one gives it to check().
    """

    def __init__(
        self,
        rasterizer: Rasterizer,
        goal: Goal,
        templates: Templates,
        count: int,
        generator: torch.Generator,
        *,
        canvas: tuple[int, int],  # height, width, px: what params belong to
        linear: bool = False,
        noise: NoiseCanvas | None = None,  # in place of a new one by the generator
    ) -> None:
        self._rasterizer, self._goal, self._templates = rasterizer, goal, templates
        self._count, self._canvas, self._linear = count, canvas, linear
        height, width = goal.target.shape[1:]
        partial = goal.weight is not None and not bool((goal.weight >= 1).all())
        self._open = _Open(goal, linear) if goal.transparent and partial else None
        if noise is None:
            contrast = 1.0 if self._open is None else OPEN_CONTRAST
            noise = NoiseCanvas(height, width, generator, linear, goal.target.device, contrast)
        self._noise = noise
        self._clear = None
        if goal.weight is not None and self._open is None and not bool((goal.weight > 0).all()):
            self._clear = goal.weight <= 0
        weight = goal.weights
        trained = weight if goal.importance is None else weight * goal.importance
        scale = count / (3.0 * float(trained.double().sum()))
        # Clear pixels weigh as much as white ones while stamps are kept out of them, and nothing in the judgement.
        if self._open is not None:
            share = self._open.share if goal.hidden is None else self._open.share * (1.0 - goal.hidden)
            trained = trained + goal.containment * float(trained.max()) * share
        self._combination = Combination(
            goal.losses,
            goal.target,
            weight=trained,
            alpha=None if self._open is None else goal.weight,
            hidden=None if goal.weight is None or goal.hidden is None else (weight <= 0) & (goal.weight > 0),
        )
        trained = trained * scale
        if self._clear is not None:
            trained = trained.masked_fill(self._clear, goal.containment * float(trained.max()))
        self.weight = trained

    def __call__(
        self, params: Tensor, placement: Placement, *, scored: bool = False
    ) -> tuple[Tensor, Tensor, Scores | None]:
        """The loss ([] float64) over a new canvas, the gradient [N, 9], and if `scored` the scores of "mse"."""
        canvas = self._noise.draw()
        scores = None
        if self._fused is None:
            value, gradient = self._composed(params, placement, canvas)
            if scored:
                _, _, scores = self._scored_step(params, placement, canvas, "mse")
        elif scored and self._fused == "mse":
            value, gradient, scores = self._scored_step(params, placement, canvas, "mse")
            value = value / self._count
        else:
            target = self._target_over(canvas)
            value, gradient = self._rasterizer.step(params, placement, canvas, target, self.weight, self._fused)
            value = value / self._count
            if scored:
                _, _, scores = self._scored_step(params, placement, canvas, "mse")
        if self._is_regularized:
            value = value + self._add_regularization(params, placement, gradient)
        return value, gradient, scores

    def run(
        self,
        iteration: Iteration,
        drawn: Callable[[], tuple[Tensor, Placement]],  # the params [N, 9], colours as composited, and their placement
        *,
        rate: float,
        bias: float,
        limited: bool,
        scored: bool,
    ) -> tuple[Tensor, Tensor, Scores | None]:
        """A whole step of an iteration for engines_loss: see Iteration.run. The scores are of "mse", as above."""
        canvas = self._noise.draw()
        target, scores = self._target_over(canvas), None
        whole = scored and self._fused == "mse"
        if scored and not whole:
            scores = self._scored_step(*drawn(), canvas, "mse")[2]
        value, params, own = iteration.run(
            canvas, target, self.weight, rate=rate, bias=bias, limited=limited, scored=whole
        )
        return value / self._count, params, own if whole else scores

    @property
    def engines_loss(self) -> str | None:
        """The engine's own loss, if it is all that is descended."""
        return None if self._is_regularized else self._fused

    def check(self, loss: float) -> None:
        """Raises UserError where a loss that was differentiated by autograd was no number, or its gradient was not."""
        if self._fused is not None or math.isfinite(loss):
            return
        if math.isnan(loss):
            raise UserError("The loss function must give one finite number that depends on the image")
        raise UserError("The loss function's gradient is not finite: such is the slope of a square root at 0")

    @property
    def _is_regularized(self) -> bool:
        return self._goal.users_loss is None and self._combination.has_regularizers

    @property
    def _fused(self) -> str | None:
        """The engine's own loss, if it is all that judges the image."""
        return None if self._goal.users_loss is not None else self._combination.fused

    def _scored_step(
        self, params: Tensor, placement: Placement, canvas: Tensor, kind: str
    ) -> tuple[Tensor, Tensor, Scores]:
        target = self._target_over(canvas)
        return self._rasterizer.scored_step(params, placement, canvas, target, self.weight, kind)

    def _composed(self, params: Tensor, placement: Placement, canvas: Tensor) -> tuple[Tensor, Tensor]:
        """Losses that are differentiated by autograd: the value as check() takes it, and the gradient [N, 9]."""
        image, alpha = (plane.requires_grad_() for plane in self._rasterizer.forward(params, placement, canvas))
        # On one thread, as all of a fit: on more, torch's sums are not the same to the bit.
        with torch.enable_grad():
            settled = image if self._open is None else self._open.over_background(image, canvas)
            shown = encode(settled) if self._linear else settled
            users = self._goal.users_loss
            value = self._combination.image_loss(shown, alpha) if users is None else users(shown)
            if value.numel() != 1 or not value.requires_grad:
                raise UserError("The loss function must give one finite number that depends on the image")
            cotangents = torch.autograd.grad(value, (image, alpha), allow_unused=True, materialize_grads=True)
        value = value.detach().reshape(()).double()
        sound = torch.isfinite(cotangents[0]).all() & torch.isfinite(cotangents[1]).all()
        value = torch.where(torch.isfinite(value), torch.where(sound, value, math.inf), math.nan)
        of_image, of_alpha = (cotangent * self._count for cotangent in cotangents)
        return value, self._rasterizer.backward(params, placement, canvas, of_image, of_alpha)

    def _add_regularization(self, params: Tensor, placement: Placement, gradient: Tensor) -> Tensor:
        """The regularizers' value; adds their gradient to that of params."""
        leaf = params.detach().requires_grad_()
        with torch.enable_grad():
            stamps = Stamps.of(leaf, placement.template, self._templates, *self._canvas)
            value = self._combination.regularization(stamps)
            (own,) = torch.autograd.grad(value, leaf)
        # The engine's loss has the weight 1 and not the combination's.
        scale = 1.0 if self._fused is None else 1.0 / self._combination.fused_weight
        gradient.add_(own, alpha=scale * self._count)
        return scale * value.detach().double()

    def _target_over(self, canvas: Tensor) -> Tensor:
        """The target, and the canvas itself (display-encoded) where it is to stay clear or shows through."""
        if self._open is not None:
            image = self._open.target_over(canvas)
            return encode(image) if self._linear else image
        if self._clear is None:
            return self._goal.target
        return torch.where(self._clear, encode(canvas) if self._linear else canvas, self._goal.target)
