"""Transfers between the CPU and an engine's device, with as few waits as possible."""

from __future__ import annotations

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Copies a CPU tensor to the device without waiting: for small ones in the midst of a fit."""
    if device.type == "cuda" and tensor.numel() > 0:
        # Only from such memory does a copy not wait; torch keeps it until the copy is done.
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def fetched(*tensors: Tensor) -> list[Tensor]:
    """Copies tensors that are on one device to the CPU by a single transfer, which is waited for once.

    Of floating point numbers up to float64 and of integers up to 2^53.
    """
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return list(tensors)
    together = torch.cat([tensor.flatten().double() for tensor in tensors]).cpu()
    parts = together.split([tensor.numel() for tensor in tensors])
    return [part.reshape(tensor.shape).to(tensor.dtype) for part, tensor in zip(parts, tensors, strict=True)]
