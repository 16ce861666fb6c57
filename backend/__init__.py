"""DiffBMP's engine: differentiable rendering with bitmap primitives. It does not depend on Blender.

    from backend import render, fit

Both names are resolved on first use, so that ``backend.job`` loads nothing else. `render` needs PyTorch.
"""

from importlib import import_module
from typing import Any

_PUBLIC = {"render": "engines.differentiable", "fit": "fitting", "Templates": "templates"}


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    return sorted(_PUBLIC)
