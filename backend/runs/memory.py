"""A lack of memory as an error that the user can mend."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from ..job import Action, UserError


@contextmanager
def memory_errors_named() -> Iterator[None]:
    """Turns failures of numpy and torch to allocate memory, also on a card, into a UserError."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, torch.OutOfMemoryError) or "CUDA error: out of memory" in str(error):
            message = "The memory of the graphics card does not suffice for a picture of this size: halve it"
            raise UserError(f"{message}, or use the CPU", Action.HALVE_SIZE) from error
        # torch has no class of its own for it on the CPU.
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise UserError(
            "The memory does not suffice for a picture of this size: halve it", Action.HALVE_SIZE
        ) from error
