"""Compiles the kernels for a card with NVRTC, without a toolkit, and caches them on disk."""

from __future__ import annotations

import functools
import io
import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ...job import Action, UserError

if TYPE_CHECKING:
    from cuda.core import ObjectCode, ProgramOptions

SOURCES = Path(__file__).parents[2] / "csrc"
MAIN = "raster_cuda.cu"
OLDEST = (7, 5)
"""The compute capability of the oldest supported cards: Turing, 2018."""

_INCLUDE = re.compile(r'#include "(.+)"')
_CACHE_BYTES = 64 * 2**20
_importing = threading.Lock()


@functools.cache
def source() -> str:
    """The source of the kernels in one piece: each of our headers in place of its first #include."""
    return _inlined(MAIN, set())


def options(architecture: str, *, linear: bool, textured: bool, verbose: bool = False) -> ProgramOptions:
    """The compiler's options: IEEE arithmetic, with fused multiply-adds.

    architecture: such as "sm_90". linear: compositing in linear light. textured: stamps with colors of their own.
    verbose: log registers and spills.
    """
    macros: list[str | tuple[str, str]] = [("LINEAR", f"{linear:d}"), ("TEXTURED", f"{textured:d}")]
    return _core().ProgramOptions(
        arch=architecture,
        std="c++17",
        fma=True,
        ftz=False,
        prec_div=True,
        prec_sqrt=True,
        define_macro=macros,
        ptxas_options=["-v"] if verbose else None,
    )


def compiled(architecture: str, *, linear: bool, textured: bool, cache: Path | None = None) -> ObjectCode:
    """Compiles the kernels, or loads them from the folder `cache`.

    Raises UserError with the compiler's first error.
    """
    core = _core()
    chosen = options(architecture, linear=linear, textured=textured)
    with _errors_named(architecture):
        if cache is not None:
            # A full disk or a read-only folder only costs two seconds at each start.
            with suppress(OSError):
                # The key covers the source, options, architecture and the compiler's version.
                kept = core.utils.FileStreamProgramCache(cache, max_size_bytes=_CACHE_BYTES)
                return core.Program(source(), "c++", chosen).compile("cubin", cache=kept)
        return core.Program(source(), "c++", chosen).compile("cubin")


def report(architecture: str, *, linear: bool, textured: bool) -> str:
    """The compiler's log of the kernels' registers and memory. Raises UserError with the first error."""
    log = io.StringIO()
    with _errors_named(architecture):
        chosen = options(architecture, linear=linear, textured=textured, verbose=True)
        _core().Program(source(), "c++", chosen).compile("cubin", logs=log)
    return log.getvalue()


def architecture_of(capability: tuple[int, int]) -> str:
    """The architecture to compile for, for a card of this compute capability, 7.5 or newer.

    It is the newest one of the same major version that the compiler knows and the card can run.
    Raises UserError where there is none.
    """
    from cuda.bindings import nvrtc

    _, known = nvrtc.nvrtcGetSupportedArchs()
    major, minor = capability
    fitting = [number for number in known if 10 * major <= number <= 10 * major + minor]
    if not fitting:
        version = ".".join(map(str, nvrtc.nvrtcVersion()[1:]))
        raise UserError(
            f"The compiler of the CUDA engine, NVRTC {version}, does not know cards of compute capability "
            f"{major}.{minor}: pip install --upgrade {_compiler_package()}, or use the CPU",
            Action.INSTALL,
        )
    return f"sm_{max(fitting)}"


def check_packages() -> None:
    """Raises UserError with the command to run where packages of the compiler are missing."""
    major = _cuda_major()
    try:
        import cuda.bindings
        from cuda.bindings import nvrtc

        _ = _core().utils.FileStreamProgramCache
    except (ImportError, AttributeError) as error:
        raise _packages_wanted(f"a Python package is missing or too old ({error})") from error
    found = cuda.bindings.__version__.split(".")[0]
    if found != major:
        raise _packages_wanted(f"cuda-bindings is for CUDA {found}, but this PyTorch for CUDA {major}")
    try:
        nvrtc.nvrtcVersion()
    except RuntimeError as error:
        raise _packages_wanted("NVIDIA's compiler NVRTC is missing") from error


def cache_folder() -> Path | None:
    """The user's folder for compiled kernels; None for a user without a home."""
    try:
        if sys.platform == "win32":
            base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
        else:
            base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        return None
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


def driver_error() -> type[Exception]:
    """The class of the errors of cuda.core, which has no public name."""
    _core()
    from cuda.core._utils.cuda_utils import CUDAError

    return CUDAError


def _core() -> Any:
    """Imports cuda.core, one thread at a time."""
    with _importing:
        import cuda.core

        return cuda.core


@contextmanager
def _errors_named(architecture: str) -> Iterator[None]:
    """Turns the compiler's errors within the block into UserError."""
    try:
        yield
    except (driver_error(), RuntimeError) as error:
        lines = [line.strip(" \0") for line in str(error).splitlines()] or [""]
        first = next((line for line in lines if "error:" in line), lines[0])
        raise UserError(
            f"The CUDA engine cannot be compiled for this card ({architecture}): {first}; use the CPU", Action.USE_CPU
        ) from error


def _cuda_major() -> str:
    """The major version of PyTorch's CUDA."""
    return str(torch.version.cuda).split(".")[0]


def _compiler_package() -> str:
    return "nvidia-cuda-nvrtc-cu12" if _cuda_major() == "12" else "nvidia-cuda-nvrtc"


def _packages_wanted(cause: str) -> UserError:
    """An error that names the packages to install, without their extras of half a gigabyte."""
    major = _cuda_major()
    versions = "" if major == "12" else f"=={major}.*"
    packages = f'cuda-core "cuda-bindings=={major}.*" "{_compiler_package()}{versions}"'
    return UserError(f"The CUDA engine cannot run because {cause}: pip install {packages}", Action.INSTALL)
