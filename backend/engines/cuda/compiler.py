"""The kernels' source compiled for a card by NVRTC, without a toolkit, and kept on disk."""

from __future__ import annotations

import functools
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ...job import UserError

if TYPE_CHECKING:
    from cuda.core import ObjectCode, ProgramOptions

SOURCES = Path(__file__).parents[2] / "csrc"
MAIN = "raster_cuda.cu"
OLDEST = (7, 5)
"""Compute capability of the oldest cards that are supported: Turing, 2018."""

_INCLUDE = re.compile(r'#include "(.+)"')
_CACHE_BYTES = 64 * 2**20


@functools.cache
def source() -> str:
    """The kernels in one piece: every header of ours in the place of its first #include."""
    return _inlined(MAIN, set())


def options(architecture: str, *, linear: bool, textured: bool, verbose: bool = False) -> ProgramOptions:
    """architecture: as in "sm_90". linear: light is composited; textured: there are stamps with colours of their own.

    verbose: the compiler tells of registers and spills. IEEE arithmetic, but for fused multiply-adds.
    """
    from cuda.core import ProgramOptions

    macros: list[str | tuple[str, str]] = [("LINEAR", f"{linear:d}"), ("TEXTURED", f"{textured:d}")]
    ptxas = ["-v"] if verbose else None
    return ProgramOptions(arch=architecture, std="c++17", fma=True, define_macro=macros, ptxas_options=ptxas)


def compiled(architecture: str, *, linear: bool, textured: bool, cache: Path | None = None) -> ObjectCode:
    """The kernels as machine code: from the cache if it holds them, which else keeps them if it can be written.

    Raises UserError with the compiler's first error.
    """
    from cuda.core import Program
    from cuda.core.utils import FileStreamProgramCache

    chosen = options(architecture, linear=linear, textured=textured)
    if cache is not None:
        try:
            # The key is made of source, options, architecture and the compiler's version.
            kept = FileStreamProgramCache(cache, max_size_bytes=_CACHE_BYTES)
            return Program(source(), "c++", chosen).compile("cubin", cache=kept)
        except OSError:
            pass  # a full disk or a folder that is not ours costs two seconds at every start, no more
        except RuntimeError as error:
            raise _named(error, architecture) from error
    try:
        return Program(source(), "c++", chosen).compile("cubin")
    except RuntimeError as error:
        raise _named(error, architecture) from error


def cache_folder() -> Path:
    """Where compiled kernels are kept for this user."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "diffbmp" / "kernels"


def _inlined(name: str, seen: set[str]) -> str:
    seen.add(name)
    lines = []
    for line in (SOURCES / name).read_text(encoding="utf-8").splitlines():
        include = _INCLUDE.match(line)
        if include:
            lines.append("" if include[1] in seen else _inlined(include[1], seen))
        else:
            lines.append("" if line == "#pragma once" else line)
    return "\n".join(lines)


def _named(error: RuntimeError, architecture: str) -> UserError:
    lines = str(error).splitlines()
    first = next((line for line in lines if "error" in line and "NVRTC_ERROR" not in line), lines[0] if lines else "")
    return UserError(
        f"The CUDA engine cannot be compiled for this card ({architecture}): {first.strip()}; use the CPU", "use_cpu"
    )
