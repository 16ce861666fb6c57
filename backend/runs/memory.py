"""Lack of memory as a UserError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..job import Action, UserError


@contextmanager
def memory_errors_named() -> Iterator[None]:
    """Turns failed allocations of numpy and torch, also on a graphics card, into a UserError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError) or "CUDA error: out of memory" in str(error):
            message = "The graphics card has too little memory for a picture of this size: halve it"
            raise UserError(f"{message}, or use the CPU", Action.HALVE_SIZE) from error
        # On the CPU, torch has no error class for it.
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise UserError("There is too little memory for a picture of this size: halve it", Action.HALVE_SIZE) from error
