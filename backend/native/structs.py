"""C++ structs as classes with annotated fields."""

from __future__ import annotations

import inspect
from ctypes import Structure, c_double, c_float, c_int32, c_int64, c_uint32, c_uint64, c_void_p
from typing import Annotated, TypeVar, dataclass_transform

Int = Annotated[int, c_int32]
Unsigned = Annotated[int, c_uint32]
Long = Annotated[int, c_int64]
UnsignedLong = Annotated[int, c_uint64]
Float = Annotated[float, c_float]
Double = Annotated[float, c_double]
Pointer = Annotated[int | None, c_void_p]

_Kind = TypeVar("_Kind", bound=type[Structure])


@dataclass_transform(kw_only_default=True)
def struct(kind: _Kind) -> _Kind:
    """Turns the annotations of a class into its fields, 0 by default."""
    hints = inspect.get_annotations(kind, eval_str=True)
    kind._fields_ = [(name, getattr(hint, "__metadata__", (hint,))[0]) for name, hint in hints.items()]
    return kind
