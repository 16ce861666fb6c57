"""A card for the CUDA engine: found, its kernels compiled and launched on PyTorch's stream and memory."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from ...job import UserError
from . import compiler

if TYPE_CHECKING:
    from cuda.core import Kernel, ObjectCode

_capture = threading.Lock()
"""PyTorch records one graph at a time in a process."""


class Program(Protocol):
    """Kernels that are compiled with one set of options."""

    def launch(self, kernel: str, blocks: int, threads: int, scene: Tensor) -> None:
        """Runs a kernel on the current stream; its argument is the address of `scene`, uint8 on the card."""
        ...


class Gpu(Protocol):
    """What the engine needs of a card."""

    name: str
    torch_device: torch.device

    def program(self, *, linear: bool, textured: bool) -> Program:
        """The kernels for these options; compiled when they are first asked for."""
        ...

    def graph(self, work: Callable[[], None]) -> Callable[[], None]:
        """Records what `work` launches without running it; the result runs it on the current stream.

        All kernels must have been launched once before, since loading them cannot be recorded.
        """
        ...


class CudaProgram:
    """See Program."""

    def __init__(self, code: ObjectCode, device: torch.device) -> None:
        self._code, self._device = code, device
        self._kernels: dict[str, Kernel] = {}

    def launch(self, kernel: str, blocks: int, threads: int, scene: Tensor) -> None:
        from cuda.core import LaunchConfig, launch

        with torch.cuda.device(self._device):
            if kernel not in self._kernels:
                self._kernels[kernel] = self._code.get_kernel(kernel)
            stream = _Stream(torch.cuda.current_stream(self._device).cuda_stream)
            launch(stream, LaunchConfig(grid=blocks, block=threads), self._kernels[kernel], scene.data_ptr())


class CudaGpu:
    """See Gpu. A card as PyTorch counts them."""

    def __init__(self, index: int) -> None:
        self.torch_device = torch.device("cuda", index)
        self.name = torch.cuda.get_device_name(index)
        self._programs: dict[tuple[bool, bool], CudaProgram] = {}
        self._compiling = threading.Lock()

    @property
    def free_bytes(self) -> int:
        """Memory that is free, and what PyTorch holds without using it."""
        held = torch.cuda.memory_reserved(self.torch_device) - torch.cuda.memory_allocated(self.torch_device)
        return torch.cuda.mem_get_info(self.torch_device)[0] + held

    def program(self, *, linear: bool, textured: bool) -> CudaProgram:
        """See Gpu. Raises UserError where the kernels cannot be compiled."""
        from cuda.core import Device

        key = (linear, textured)
        with self._compiling, torch.cuda.device(self.torch_device):
            # PyTorch's context is the device's primary one, which this makes known to cuda.core.
            Device(self.torch_device.index).set_current()
            if key not in self._programs:
                major, minor = torch.cuda.get_device_capability(self.torch_device)
                code = compiler.compiled(
                    f"sm_{major}{minor}", linear=linear, textured=textured, cache=compiler.cache_folder()
                )
                self._programs[key] = CudaProgram(code, self.torch_device)
            return self._programs[key]

    def graph(self, work: Callable[[], None]) -> Callable[[], None]:
        """See Gpu."""
        recorded = torch.cuda.CUDAGraph()
        with _capture, torch.cuda.device(self.torch_device):
            # On a stream of its own, and without forbidding other threads to allocate memory meanwhile.
            stream = torch.cuda.Stream(self.torch_device)
            stream.wait_stream(torch.cuda.current_stream(self.torch_device))
            with torch.cuda.graph(recorded, stream=stream, capture_error_mode="thread_local"):
                work()
            torch.cuda.current_stream(self.torch_device).wait_stream(stream)
        return recorded.replay


class _Stream:
    """One of PyTorch's streams, as cuda.core takes them."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    def __cuda_stream__(self) -> tuple[int, int]:
        return 0, self._handle


def find_gpu(index: int | None = None) -> CudaGpu:
    """The card of this number, as PyTorch counts them, or the first that can be used.

    Raises UserError that says why there is none, and what to do.
    """
    if torch.version.cuda is None:
        raise UserError("This PyTorch is built without CUDA: install one that has it, or use the CPU", "install")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        raise UserError("There is no NVIDIA card whose driver works with this PyTorch: use the CPU", "use_cpu")
    if index is not None and not 0 <= index < count:
        raise UserError(f"There is no card cuda:{index}: there are {count}, counted from 0", "use_cpu")
    _check_packages()
    usable = [i for i in range(count) if torch.cuda.get_device_capability(i) >= compiler.OLDEST]
    chosen = index if index is not None else (usable[0] if usable else 0)
    if chosen not in usable:
        raise UserError(
            f"{torch.cuda.get_device_name(chosen)} is too old for the CUDA engine, which needs Turing (2018) or newer: "
            "use the CPU",
            "use_cpu",
        )
    return _gpu(chosen)


@functools.cache
def _gpu(index: int) -> CudaGpu:
    return CudaGpu(index)


def _check_packages() -> None:
    """Raises UserError where the compiler's packages are missing, with those of PyTorch's CUDA version."""
    major = str(torch.version.cuda).split(".")[0]
    compiler_package = "nvidia-cuda-nvrtc-cu12" if major == "12" else f"nvidia-cuda-nvrtc=={major}.*"
    missing = [name for name in ("cuda.core", "cuda.bindings") if not _there(name)]
    if missing:
        raise UserError(
            f"The CUDA engine needs the Python package {' and '.join(missing)}: "
            f"pip install cuda-core cuda-bindings=={major}.* {compiler_package}",
            "install",
        )


def _there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of the parent
        return False
