"""The structs that both compiled engines share."""

from __future__ import annotations

from ctypes import Structure

from ..native.structs import Float, Int, Long, Pointer, struct


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
    """The first fields of struct Candidates, which both engines share."""

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
    weight_plane: Long = 0


@struct
class Descent(Structure):
    """Mirror of struct Descent of csrc/descent.h."""

    __slots__ = ()
    free: Pointer = None
    first: Pointer = None
    second: Pointer = None
    age: Pointer = None
    low: Pointer = None
    high: Pointer = None
    frozen: Pointer = None
    template_of: Pointer = None
    params: Pointer = None
    encoded: Pointer = None
    level: Pointer = None
    grad: Pointer = None
    facts: Pointer = None
    level_numbers: Pointer = None
    palette: Pointer = None
    missing: Pointer = None
    count: Int = 0
    palette_count: Int = 0
    levels_u: Int = 0
    levels_v: Int = 0
    limited: Int = 0
    linear: Int = 0
    momentum: Float = 0.0
    second_momentum: Float = 0.0
    epsilon: Float = 0.0
    position_rate: Float = 0.0
    widest: Float = 0.0
    least: Float = 0.0
    scale_rate: Float = 0.0
    aspect_rate: Float = 0.0
    rotation_rate: Float = 0.0
    opacity_rate: Float = 0.0
    color_rate: Float = 0.0
    rate: Float = 0.0
    bias: Float = 0.0
    shrink: Float = 0.0
