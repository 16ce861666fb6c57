"""The structs that both compiled engines share."""

from __future__ import annotations

from ctypes import Structure

from ..native.structs import Int, Pointer, struct


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
