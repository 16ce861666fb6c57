"""Cards for the CUDA engine: finds them, and launches kernels on PyTorch's stream and memory."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from ...job import Action, UserError
from . import compiler

if TYPE_CHECKING:
    from cuda.core import Kernel, ObjectCode

_capture = threading.Lock()
"""Held during the recording of a graph: PyTorch records one at a time in a process."""


class Program(Protocol):
    """The kernels, compiled with one set of options."""

    def launch(self, kernel: str, blocks: int, threads: int, scene: Tensor) -> None:
        """Runs a kernel on the current stream, with the address of `scene` (uint8 on the card) as its argument."""
        ...


class Gpu(Protocol):
    """A card, as the engine needs it."""

    name: str
    torch_device: torch.device

    def program(self, *, linear: bool, textured: bool) -> Program:
        """Returns the kernels for these options, compiled at their first use."""
        ...

    def graph(self, work: Callable[[], None]) -> Callable[[], None]:
        """Records the launches of `work` without running them; the result runs them on the current stream.

        Each kernel must have been launched before: loading cannot be recorded.
        """
        ...


class CudaProgram:
    """Kernels compiled by cuda.core: see Program."""

    def __init__(self, code: ObjectCode, device: torch.device) -> None:
        self._code, self._device = code, device
        self._kernels: dict[str, Kernel] = {}

    def launch(self, kernel: str, blocks: int, threads: int, scene: Tensor) -> None:
        """Runs a kernel: see Program. Raises UserError where the driver cannot load it."""
        from cuda.core import LaunchConfig, Stream, launch

        with _current(self._device):
            if kernel not in self._kernels:
                self._kernels[kernel] = self._load(kernel)
            stream = Stream.from_handle(torch.cuda.current_stream(self._device).cuda_stream)
            launch(stream, LaunchConfig(grid=blocks, block=threads), self._kernels[kernel], scene.data_ptr())

    def _load(self, kernel: str) -> Kernel:
        try:
            return self._code.get_kernel(kernel)
        except compiler.driver_error() as error:
            raise UserError(
                f"The NVIDIA driver cannot load the CUDA engine ({error}): update the driver, or use the CPU",
                Action.USE_CPU,
            ) from error


class CudaGpu:
    """An NVIDIA card with its index in PyTorch: see Gpu."""

    def __init__(self, index: int) -> None:
        self.torch_device = torch.device("cuda", index)
        self.name = torch.cuda.get_device_name(index)
        self._programs: dict[tuple[bool, bool], CudaProgram] = {}
        self._compiling = threading.Lock()
        self._recording: torch.cuda.Stream | None = None

    @property
    def free_bytes(self) -> int:
        """Free memory, including what PyTorch holds but does not use."""
        held = torch.cuda.memory_reserved(self.torch_device) - torch.cuda.memory_allocated(self.torch_device)
        return torch.cuda.mem_get_info(self.torch_device)[0] + held

    def program(self, *, linear: bool, textured: bool) -> CudaProgram:
        """Returns the kernels: see Gpu. Raises UserError where they cannot be compiled."""
        key = (linear, textured)
        with self._compiling:
            if key not in self._programs:
                architecture = compiler.architecture_of(torch.cuda.get_device_capability(self.torch_device))
                cache = compiler.cache_folder()
                code = compiler.compiled(architecture, linear=linear, textured=textured, cache=cache)
                self._programs[key] = CudaProgram(code, self.torch_device)
            return self._programs[key]

    def graph(self, work: Callable[[], None]) -> Callable[[], None]:
        """Records a CUDA graph: see Gpu."""
        recorded = torch.cuda.CUDAGraph()
        with _capture, torch.cuda.device(self.torch_device):
            if self._recording is None:
                # PyTorch hands out its few streams in turn; those with priority are rarely used by others.
                self._recording = torch.cuda.Stream(self.torch_device, priority=-1)
            with torch.cuda.stream(self._recording):
                # torch.cuda.graph would wait for all work of the process on the card and empty its cache. Other threads
                # may allocate memory meanwhile.
                recorded.capture_begin(capture_error_mode="thread_local")
                try:
                    work()
                except BaseException:
                    with suppress(RuntimeError):  # from the broken recording; the first error is the cause
                        recorded.capture_end()
                    raise
                recorded.capture_end()
        return recorded.replay


@contextmanager
def _current(device: torch.device) -> Iterator[None]:
    """Makes the device's context current in this thread, even if PyTorch has not used the device yet."""
    from cuda.core import Device

    with torch.cuda.device(device):
        # This is the device's primary context, the same as PyTorch's, which restores the one before.
        Device(device.index).set_current()
        yield


def find_gpu(index: int | None = None) -> CudaGpu:
    """Finds the card with this index in PyTorch, or the first usable one. Raises UserError where there is none."""
    count = gpu_count()
    if index is not None and index >= count:
        raise UserError(f"There is no card cuda:{index}: use a number below {count}, or the CPU", Action.USE_CPU)
    compiler.check_packages()
    usable = [i for i in range(count) if torch.cuda.get_device_capability(i) >= compiler.OLDEST]
    chosen = index if index is not None else (usable[0] if usable else 0)
    if chosen not in usable:
        raise UserError(
            f"{torch.cuda.get_device_name(chosen)} is too old for the CUDA engine, which needs Turing (2018) or newer: "
            "use the CPU",
            Action.USE_CPU,
        )
    return _gpu(chosen)


def gpu_count() -> int:
    """Counts the cards that PyTorch finds. Raises UserError where there is none."""
    if torch.version.cuda is None:
        raise UserError("This PyTorch is built without CUDA: install one that has it, or use the CPU", Action.INSTALL)
    try:
        torch.cuda.init()
    except RuntimeError as error:
        cause = str(error).splitlines()[0].rstrip(".")
        raise UserError(
            f"PyTorch cannot use an NVIDIA card ({cause}): update the driver, or use the CPU", Action.USE_CPU
        ) from error
    return torch.cuda.device_count()


@functools.cache
def _gpu(index: int) -> CudaGpu:
    return CudaGpu(index)
