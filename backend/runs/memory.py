"""Lack of memory as a UserError."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..job import Action, UserError

PICTURE = "a picture of this size: halve it"
LAYOUT = "a layout of this size: use one of fewer stamps or frames"


@contextmanager
def memory_errors_named(what: str = PICTURE) -> Iterator[None]:
    """Turns failed allocations of numpy and torch, also on a graphics card, into a UserError.

    what: what is too large and how to mend it, PICTURE or LAYOUT. Of blocks within each other, the inner one knows.
    """
    action = Action.HALVE_SIZE if what == PICTURE else ""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        torch = sys.modules.get("torch")  # whose error it can be only where it is loaded
        if (torch and isinstance(error, torch.OutOfMemoryError)) or "CUDA error: out of memory" in str(error):
            raise UserError(f"The graphics card has too little memory for {what}, or use the CPU", action) from error
        # On the CPU, torch has no error class for it.
        if isinstance(error, RuntimeError) and "allocate memory" not in str(error):
            raise
        raise UserError(f"There is too little memory for {what}", action) from error
