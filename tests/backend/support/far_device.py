"""A fake device: tensors that claim to be elsewhere, to find those in the wrong place without a GPU.

Each holds a CPU tensor, with which everything is computed. As on a GPU, operations on tensors of both places are errors
(numbers without dimensions excepted), numpy does not reach them, and looking at one is to wait for the device, which
is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from backend.engines.interface import AdamRule
from backend.engines.tensors import Placement, Rasterizer, Scores, Solutions

FAR = torch.device("meta")  # a name that torch knows on every machine

aten = torch.ops.aten

WAITING = {aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal, aten.bincount}
WAITING |= {aten.unique_dim, aten._unique2, aten.unique_consecutive}
"""Operations whose result the CPU reads, or whose size depends on values."""


class FarTensor(Tensor):
    """A tensor on the fake device."""

    near: Tensor

    @staticmethod
    def __new__(cls, near: Tensor) -> FarTensor:
        result = Tensor._make_wrapper_subclass(
            cls,
            near.shape,
            strides=near.stride(),
            storage_offset=near.storage_offset(),
            dtype=near.dtype,
            layout=near.layout,
            device=FAR,
        )
        result.near = near
        return result

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise AssertionError(f"{func} outside of FarDevice")


class FarDevice(TorchDispatchMode):
    """Lets tensors be on FAR within the block."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waits: list[str] = []
        """The operations that waited for the device."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        far = [tensor for tensor in tensors if isinstance(tensor, FarTensor)]
        near = [tensor for tensor in tensors if not isinstance(tensor, FarTensor)]
        if any(tensor.device == FAR for tensor in near):
            raise AssertionError(f"{func} is given a tensor made of Python's numbers on the device, which waits for it")
        device = kwargs.get("device")
        wanted = bool(far) if device is None else device == FAR
        if not far and not wanted:
            return func(*args, **kwargs)
        if self._copies(func, far, near, kwargs, wanted):
            self.waits.append(str(func))
        else:
            self._check(func, args, kwargs, far, near)
        if device is not None:
            kwargs["device"] = torch.device("cpu")
        own = {id(tensor.near): tensor for tensor in far}
        result = func(*tree_map(to_near, args), **tree_map(to_near, kwargs))
        # In-place operations return the same object.
        return (
            tree_map(lambda value: own[id(value)] if id(value) in own else to_far(value), result) if wanted else result
        )

    def _copies(self, func: Any, far: list[FarTensor], near: list[Tensor], kwargs: Any, wanted: bool) -> bool:
        """Whether the operation copies between devices and waits."""
        if func.overloadpacket is aten._to_copy:
            return bool(far) != wanted and not (wanted and kwargs.get("non_blocking"))
        return func.overloadpacket is aten.copy_ and bool(far) and any(tensor.ndim for tensor in near)

    def _check(self, func: Any, args: Any, kwargs: Any, far: list[FarTensor], near: list[Tensor]) -> None:
        if kwargs.get("generator") is not None:
            raise AssertionError(f"{func} draws numbers on the device by a generator of the CPU")
        if func.overloadpacket is aten._to_copy:
            return
        lists = func.overloadpacket in (aten.cat, aten.stack)
        changed = func._schema.is_mutable and args and type(args[0]) is Tensor
        if far and (any(tensor.ndim or lists for tensor in near) or changed):
            raise AssertionError(f"{func} is given tensors of two devices")
        masks = func.overloadpacket in (aten.index, aten.index_put, aten.index_put_) and any(
            tensor.dtype == torch.bool for tensor in tree_leaves(args[1]) if isinstance(tensor, Tensor)
        )
        if func.overloadpacket in WAITING or masks:
            self.waits.append(str(func))


def to_near(value: Any) -> Any:
    return value.near if isinstance(value, FarTensor) else value


def to_far(value: Any) -> Any:
    return FarTensor(value) if isinstance(value, Tensor) and not isinstance(value, FarTensor) else value


def from_far(value: Tensor) -> Tensor:
    assert isinstance(value, FarTensor), "an engine is given a tensor of another device"
    return value.near


class FarRasterizer:
    """A rasterizer whose tensors are on FAR."""

    torch_device = FAR

    def __init__(self, rasterizer: Rasterizer) -> None:
        self.name, self.device = rasterizer.name, rasterizer.device
        self._rasterizer = rasterizer

    def forward(self, params: Tensor, placement: Placement, background: Tensor) -> tuple[Tensor, Tensor]:
        return self._called(self._rasterizer.forward, params, placement, background)

    def backward(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        grad_image: Tensor,
        grad_alpha: Tensor | None = None,
    ) -> Tensor:
        return self._called(self._rasterizer.backward, params, placement, background, grad_image, grad_alpha)

    def step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor]:
        return self._called(self._rasterizer.step, params, placement, background, target, weight, loss)

    def scored_step(
        self,
        params: Tensor,
        placement: Placement,
        background: Tensor,
        target: Tensor,
        weight: Tensor,
        loss: str = "mse",
    ) -> tuple[Tensor, Tensor, Scores]:
        near = self._near(params, placement, background, target, weight, loss)
        value, grad, scores = self._rasterizer.scored_step(*near)
        own = {name: to_far(tensor) for name, tensor in vars(scores).items()}
        return to_far(value), to_far(grad), Scores(**{**own, "target": target})

    def iteration(self, count: int, rule: AdamRule, **options: Any) -> None:
        """Leaves the steps to the optimizer on the host."""

    def solve_on_top(
        self, params: Tensor, placement: Placement, image: Tensor, target: Tensor, weight: Tensor
    ) -> Solutions:
        arguments = self._near(params, placement, image, target, weight)
        return Solutions(**tree_map(to_far, vars(self._rasterizer.solve_on_top(*arguments))))

    def gains_on_top(self, params: Tensor, placement: Placement, scores: Scores, weight: Tensor) -> Tensor:
        near = Scores(**{name: from_far(tensor) for name, tensor in vars(scores).items()})
        params, placement, weight = self._near(params, placement, weight)
        return to_far(self._rasterizer.gains_on_top(params, placement, near, weight))

    def _called(self, method: Callable[..., Any], *arguments: Any) -> Any:
        return tree_map(to_far, method(*self._near(*arguments)))

    def _near(self, *arguments: Any) -> Any:
        return [
            Placement(*(from_far(tensor) for tensor in vars(argument).values()))
            if isinstance(argument, Placement)
            else from_far(argument)
            if isinstance(argument, Tensor)
            else argument
            for argument in arguments
        ]
