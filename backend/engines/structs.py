"""C++ structs as classes with annotated fields, and the structs of both compiled engines."""

from __future__ import annotations

import inspect
from ctypes import Structure, c_float, c_int32, c_int64, c_void_p
from typing import Annotated, TypeVar, dataclass_transform

Int = Annotated[int, c_int32]
Long = Annotated[int, c_int64]
Float = Annotated[float, c_float]
Pointer = Annotated[int | None, c_void_p]

_Kind = TypeVar("_Kind", bound=type[Structure])


@dataclass_transform(kw_only_default=True)
def struct(kind: _Kind) -> _Kind:
    """Turns the annotations of a class into its fields, 0 by default."""
    hints = inspect.get_annotations(kind, eval_str=True)
    kind._fields_ = [(name, getattr(hint, "__metadata__", (hint,))[0]) for name, hint in hints.items()]
    return kind


@struct
class PlanePointers(Structure):
    """The fields of struct Scene from params to loss_map, which both engines share."""

    __slots__ = ()
    params: Pointer = None
    level: Pointer = None
    mirror: Pointer = None
    levels: Pointer = None
    decode: Pointer = None
    background: Pointer = None
    image: Pointer = None
    alpha: Pointer = None
    grad_image: Pointer = None
    grad_alpha: Pointer = None
    target: Pointer = None
    weight: Pointer = None
    loss_map: Pointer = None


@struct
class Candidates(Structure):
    """The fields of struct Candidates but for the last one, which both engines share."""

    __slots__ = ()
    width: Int = 0
    height: Int = 0
    count: Int = 0
    linear: Int = 0  # not read by the kernels for CUDA
    params: Pointer = None
    level: Pointer = None
    mirror: Pointer = None
    levels: Pointer = None
    decode: Pointer = None
    image: Pointer = None
    target: Pointer = None
    weight: Pointer = None
    loss_map: Pointer = None
    result: Pointer = None
