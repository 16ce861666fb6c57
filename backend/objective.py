"""What a fit descends: the loss of the primitives over a canvas that is new noise in every step.

On a fixed canvas a fit lets that canvas shine through wherever it happens to suit, and the result falls apart on any
other. Noise suits nowhere, so the primitives learn to cover.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from .color import decode, encode
from .engines import Placement, Rasterizer
from .job import UserError
from .losses import Loss, encoded_pixel_loss, pixel_error
from .threads import torch_threads

NOISE_OFFSETS = 4096
"""Places at which the noise may start: more than a usual fit has steps."""
NOISE_STRIDE = 16  # numbers: a step of whole cache lines
BEST_PSNR = 100.0  # dB, reported for pictures that are equal


class NoiseCanvas:
    """A new per-pixel random canvas whenever it is asked for, all cut from one sequence of random numbers.

    Cutting elsewhere costs nothing, where drawing three numbers a pixel would cost half a step.
    """

    def __init__(self, height: int, width: int, generator: torch.Generator, linear: bool) -> None:
        self._shape = (3, height, width)
        field = torch.rand(3 * height * width + NOISE_OFFSETS * NOISE_STRIDE, generator=generator)
        self._field = decode(field) if linear else field
        self._generator = generator

    def draw(self) -> Tensor:
        """[3, H, W] in the compositing space, not to be written to."""
        offset = NOISE_STRIDE * int(torch.randint(NOISE_OFFSETS, (), generator=self._generator))
        return self._field[offset : offset + math.prod(self._shape)].view(self._shape)


class Objective:
    """Loss and gradient of params [N, 9] (colours as composited).

    The gradient is that of the loss times N: of the order of 1 for a primitive, whatever the picture's size and N.
    """

    def __init__(
        self,
        rasterizer: Rasterizer,
        target: Tensor,  # [3, H, W] display-encoded
        count: int,
        generator: torch.Generator,
        *,
        weight: Tensor | None = None,  # [H, W] from 0 = stays clear to 1
        background: tuple[float, float, float] = (1.0, 1.0, 1.0),  # judged on, display-encoded
        linear: bool = False,
        threads: int = 1,  # for the user's loss, in torch
        kind: str = "mse",
        loss: Loss | None = None,
    ) -> None:
        self._rasterizer, self._target, self._count = rasterizer, target, count
        self._linear, self._threads, self._kind, self._loss = linear, threads, kind, loss
        height, width = target.shape[1:]
        self._noise = NoiseCanvas(height, width, generator, linear)
        self._weight = torch.ones(height, width) if weight is None else weight
        total = float(self._weight.double().sum())
        if total <= 0:
            raise UserError("The mask is black everywhere, so nothing would be placed: paint white what counts")
        self._weight = self._weight * (count / (3.0 * total))
        self._clear = None if weight is None or bool((weight > 0).all()) else weight <= 0
        # Clear pixels weigh as much as white ones while stamps are kept out of them, and nothing in the judgement.
        self._training_weight = self._weight
        if self._clear is not None:
            self._training_weight = self._weight.masked_fill(self._clear, float(self._weight.max()))
        plain = torch.tensor(background).reshape(3, 1, 1)
        self._background = (decode(plain) if linear else plain).expand(3, height, width)

    def __call__(self, params: Tensor, placement: Placement) -> tuple[float, Tensor]:
        """The loss over a new canvas (a mean over pixels and channels, or the user's) and the gradient [N, 9]."""
        canvas = self._noise.draw()
        if self._loss is None and not self._linear:
            target, weight = self._target_over(canvas), self._training_weight
            value, gradient = self._rasterizer.step(params, placement, canvas, target, weight, self._kind)
            return value / self._count, gradient
        image, _ = self._rasterizer.forward(params, placement, canvas)
        if self._loss is None:
            target = self._target_over(encode(canvas) if self._clear is not None else canvas)
            value, cotangent = encoded_pixel_loss(image, target, self._training_weight, self._kind)
            value /= self._count
        else:
            value, cotangent = self._users_loss(self._loss, image)
        return value, self._rasterizer.backward(params, placement, canvas, cotangent)

    def judge(self, params: Tensor, placement: Placement) -> tuple[Tensor, float]:
        """The image [3, H, W] on the real background, display-encoded, and its PSNR where the target counts, in dB."""
        image, _ = self._rasterizer.forward(params, placement, self._background)
        image = (encode(image) if self._linear else image).clamp_(0.0, 1.0)
        error = pixel_error(image, self._target, self._weight) / self._count
        return image, min(BEST_PSNR, -10.0 * math.log10(max(error, 1e-30)))

    def _users_loss(self, loss: Loss, image: Tensor) -> tuple[float, Tensor]:
        """Its value for an image as composited, and the cotangent [3, H, W]."""
        leaf = image.detach().requires_grad_()
        with torch.enable_grad(), torch_threads(self._threads):
            value = loss(encode(leaf) if self._linear else leaf)
            if value.numel() != 1 or not value.requires_grad or not bool(torch.isfinite(value)):
                raise UserError("The loss function must give one finite number that depends on the image")
            (cotangent,) = torch.autograd.grad(value, leaf)
        return float(value), cotangent

    def _target_over(self, canvas: Tensor) -> Tensor:
        """The target, and the canvas itself (display-encoded) where it is to stay clear."""
        return self._target if self._clear is None else torch.where(self._clear, canvas, self._target)
