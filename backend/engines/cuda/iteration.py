"""Makes whole steps of a fit on a card, recorded as a CUDA graph and replayed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ...native.arrays import BoolArray, FloatArray, IntArray
from ...templates import LEVELS_PER_OCTAVE, Templates
from ..compiled import LOSSES
from ..interface import NO_NOISE, PARAMETERS, AdamRule, Noise, Scores, Stepped, Variables
from ..light import decode_table
from ..structs import PlanePointers
from ..tensors import KeptPlanes, sent
from . import structs
from .buffers import Buffers
from .launch import launch_bins, launch_each, launch_tiles
from .levels import DeviceLevels
from .structs import Descent, DeviceStruct, Scene, TensorAddresses

if TYPE_CHECKING:
    from .gpu import Gpu

_CHECK_EVERY = 8
"""Steps between two checks of the number of pairs and the size of primitives."""

_GROWTH = 2.0
"""The growth of a half axis between two checks that levels allow for; more makes a stamp less sharp until then."""


@dataclass(frozen=True)
class HeldTensor:
    """A tensor on the card: see engines.interface.Held."""

    tensor: Tensor

    def read(self) -> FloatArray:
        return self.tensor.cpu().numpy()


class CudaIteration:
    """Whole steps of a fit as a CUDA graph: see engines.interface.Iteration. It looks at all rows in every step."""

    def __init__(
        self,
        templates: Templates,
        size: tuple[int, int],  # height, width of the picture, px
        gpu: Gpu,
        count: int,
        rule: AdamRule,
        *,
        loss: str = "mse",
        palette: FloatArray | None = None,  # [P, 3]
        shrink: float = 1.0,
        space: str,
        deterministic: bool,
    ) -> None:
        self._gpu, self._templates, self._device = gpu, templates, gpu.torch_device
        height, width = size
        textured = any(item.textured for item in templates.items)
        self._program = gpu.program(linear=space == "linear", textured=textured)
        self._levels = DeviceLevels.of_templates(templates, self._device)
        self._buffers = Buffers(self._device)
        self._memory = DeviceStruct(self._device, structs.SCENE_BYTES)
        self._graphs: dict[str, Callable[[], None]] = {}
        self._launched: set[str] = set()
        self._since_check = 0
        # There are levels up to this many texels per canvas pixel, and per longer side of a stamp.
        self._bias, self._texels = 1.0 / shrink, 0.0
        self.variables = self._empty_variables(count)
        """The tensors of interface.Variables, as they are now."""
        self._planes = KeptPlanes(self._device)
        self._template = self._empty(count, dtype=torch.int32)
        self._mirror = self._empty(count, dtype=torch.uint8)
        self._encoded = self._empty(count, len(PARAMETERS))
        self._image, self._loss_map = self._empty(3, height, width), self._empty(height, width)
        self._removal = self._empty(count)
        self._at = TensorAddresses()
        self._scene = self._empty_scene(size, count, LOSSES[loss], linear=space == "linear")
        self._scene.deterministic = deterministic
        colors = None if palette is None else sent(palette, self._device)
        self._scene.descent = self._descent(rule, shrink, colors, linear=space == "linear")

    def _empty_scene(self, size: tuple[int, int], count: int, loss: int, *, linear: bool) -> Scene:
        """Returns the constant parts of the scene, without the descent."""
        height, width = size
        planes = PlanePointers(
            params=self._at.memory(self._empty(count, len(PARAMETERS))),
            level=self._at.memory(self._empty(count, dtype=torch.int32)),
            mirror=self._mirror.data_ptr(),
            decode=self._at.of(decode_table().to(self._device)) if linear else None,
            image=self._image.data_ptr(),
            loss_map=self._loss_map.data_ptr(),
        )
        return Scene(
            width=width,
            height=height,
            tiles_x=-(-width // structs.TILE),
            tiles_y=-(-height // structs.TILE),
            count=count,
            loss=loss,
            planes=planes,
            grad=self._at.memory(self._empty(count, len(PARAMETERS))),
        )

    def load(self, variables: Variables, template: IntArray, mirror: BoolArray) -> None:
        """Copies the variables: see Iteration. Waits for the device."""
        for name, own in self.variables.items():
            own.copy_(sent(getattr(variables, name), self._device))
        self._template.copy_(sent(template, self._device))
        self._mirror.copy_(sent(mirror, self._device))
        if not self._scene.descent.level_numbers:
            self._choose_levels()
        if self._launched:
            self._check()

    def unload(self) -> Variables:
        """Returns copies of the variables: see Iteration. Waits for the device."""
        return Variables(**{name: own.cpu().numpy().copy() for name, own in self.variables.items()})

    def run(
        self,
        background: FloatArray | Noise,  # [3, H, W]
        target: FloatArray,  # [3, H, W]
        weight: FloatArray,  # [H, W]
        *,
        rate: float,
        bias: float,
        limited: bool,
        scored: bool,
        rows: int = 1,
    ) -> Stepped:
        """Makes a step: see Iteration. Waits for the device in its first runs, at checks and for scores."""
        if bias > self._bias:
            self._bias = bias
            self._choose_levels()
        self._show_planes(background, target, weight)
        scene = self._scene
        scene.descent.rate, scene.descent.bias, scene.descent.limited = rate, bias, limited
        scene.removal = self._removal.data_ptr() if scored else None
        if not self._launched:
            self._measure()
        elif self._since_check >= _CHECK_EVERY:
            self._check()
        self._memory.write(scene)
        self._replay("scored" if scored else "step")
        self._since_check += 1
        return Stepped(self._buffers.loss, HeldTensor(self._encoded.clone()), self._scores(target) if scored else None)

    def _show_planes(self, background: FloatArray | Noise, target: FloatArray, weight: FloatArray) -> None:
        scene = self._scene
        noise = background if isinstance(background, Noise) else NO_NOISE
        scene.noise_key, scene.noise_contrast = noise.key, noise.contrast
        given = {"target": target, "weight": weight}
        if not isinstance(background, Noise):
            given["background"] = background
        self._shown = {name: self._planes.sent(plane) for name, plane in given.items()}
        for name, plane in self._shown.items():
            setattr(scene.planes, name, plane.data_ptr())

    def _scores(self, target: FloatArray) -> Scores:
        made = (tensor.cpu().numpy() for tensor in (self._image, self._loss_map, self._removal))
        return Scores(target, *made)

    def _replay(self, mode: str) -> None:
        """Makes a step: launches it first, to load the kernels, then records it, and replays it from then on."""
        if mode not in self._launched:
            self._launched.add(mode)
            self._launch(mode)
            return
        if mode not in self._graphs:
            self._graphs[mode] = self._gpu.graph(lambda: self._launch(mode))
        self._graphs[mode]()

    def _launch(self, mode: str) -> None:
        """Launches a whole step. Nothing here allocates or waits: it is recorded."""
        self._launch_bins()
        self._buffers.clear_sums(self._scene)
        launch_tiles(self._program, self._scene, mode, self._memory.memory)
        launch_each(self._program, "descend_variables", self._scene.count, self._memory.memory)

    def _launch_bins(self) -> None:
        launch_each(self._program, "show_variables", self._scene.count, self._memory.memory)
        self._buffers.clear()
        launch_bins(self._program, self._scene, self._memory.memory)

    def _measure(self) -> None:
        """Counts the pairs of the first step and reserves memory for them."""
        self._buffers.prepare(self._scene, backward=True)
        self._memory.write(self._scene)
        self._launch_bins()
        self._check()

    def _check(self) -> None:
        """Adds levels and memory that may be needed before the next check. Waits for the device."""
        self._since_check = 0
        self._choose_levels()
        pairs = self._buffers.pairs
        before = self._scene.pair_capacity
        if self._buffers.room(pairs) <= before:
            return
        try:
            self._buffers.reserve(self._scene, 2 * pairs, backward=True)
        except torch.OutOfMemoryError:
            # Go on without room to grow.
            self._buffers.reserve(self._scene, max(pairs, before), backward=True)

    def _descent(self, rule: AdamRule, shrink: float, palette: Tensor | None, *, linear: bool) -> Descent:
        """Returns the part of the scene for a step of Adam."""
        scene = self._scene
        return Descent(
            **{name: tensor.data_ptr() for name, tensor in self.variables.items()},
            **vars(rule),
            params=scene.planes.params,
            encoded=self._encoded.data_ptr(),
            level=scene.planes.level,
            grad=scene.grad,
            template_of=self._template.data_ptr(),
            palette=self._at.of(palette),
            count=scene.count,
            palette_count=0 if palette is None else len(palette),
            linear=linear,
            shrink=shrink,
        )

    def _choose_levels(self) -> None:
        """Uploads the levels that can occur before the next check, if there are not enough.

        The templates' stretch, primitives beyond it, and the longest half axis limit them: finer levels are most of a
        large stamp's memory and take seconds to make.
        """
        scale, aspect = self.variables["free"][:, 2:4].double().cpu().numpy().T
        longer = np.maximum(aspect, 1.0 / aspect)
        axes = np.nan_to_num(np.append(scale * np.sqrt(longer), 1.0), nan=1.0, posinf=1.0)
        texels = 2.0 * _GROWTH * float(axes.max()) * self._bias
        if texels <= self._texels:
            return
        self._texels = 2.0 ** math.ceil(math.log2(texels))  # whole octaves, so that this is rare
        stretch = np.array([item.limits.stretch for item in self._templates.items], np.float64)
        np.fmax.at(stretch, self._template.cpu().numpy(), longer)
        # Rounded up, plus one for the rounding of each axis; equal axes have the same level.
        difference = np.where(stretch > 1.0, np.ceil(LEVELS_PER_OCTAVE * np.log2(stretch)) + 1, 0.0)
        # An infinite aspect needs no more than all levels.
        counts = self._templates.level_count
        difference = np.minimum(difference, float(counts.max()))
        finest = np.floor(LEVELS_PER_OCTAVE * np.log2(self._templates.longer_side / self._texels)).clip(0)
        self._level_numbers = self._levels.reachable(difference.astype(np.int64), finest.astype(np.int64))
        self._scene.planes.levels = self._levels.array.data_ptr()
        self._facts = torch.from_numpy(self._templates.facts).to(self._device, copy=True)
        descent = self._scene.descent
        descent.facts, descent.level_numbers = self._facts.data_ptr(), self._level_numbers.data_ptr()
        descent.levels_u, descent.levels_v = self._level_numbers.shape[1:]

    def _empty_variables(self, count: int) -> dict[str, Tensor]:
        made = {name: self._empty(count, len(PARAMETERS)) for name in ("free", "first", "second", "low", "high")}
        frozen = self._empty(count, len(PARAMETERS), dtype=torch.bool)
        return {**made, "age": self._empty(count, 1), "frozen": frozen}

    def _empty(self, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
        return torch.empty(*shape, dtype=dtype, device=self._device)
