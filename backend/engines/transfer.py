"""Transfers between the CPU and an engine's device, with as few waits as possible."""

from __future__ import annotations

import torch
from torch import Tensor


def moved(tensor: Tensor, device: torch.device) -> Tensor:
    """Copies a small CPU tensor to the device without waiting."""
    if device.type == "cuda" and tensor.numel() > 0:
        # Copies wait unless memory is pinned; PyTorch keeps it until the copy is done.
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)


def fetched(*tensors: Tensor) -> list[Tensor]:
    """Copies tensors on one device to the CPU in a single transfer, so that there is one wait.

    Exact for floats up to float64 and integers up to 2^53.
    """
    if all(tensor.device.type == "cpu" for tensor in tensors):
        return list(tensors)
    together = torch.cat([tensor.flatten().double() for tensor in tensors]).cpu()
    parts = together.split([tensor.numel() for tensor in tensors])
    return [part.reshape(tensor.shape).to(tensor.dtype) for part, tensor in zip(parts, tensors, strict=True)]
