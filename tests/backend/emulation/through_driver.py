"""Draws a scene through CudaGpu, cuda.core and the tests' driver, and writes how far it is from the reference.

Started by test_cuda_driver.py: python -m tests.backend.emulation.through_driver CUBIN STREAM
"""

from __future__ import annotations

import contextlib
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import torch
from cuda.core import ObjectCode

from backend.engines.cuda import compiler
from backend.engines.cuda.gpu import CudaGpu, Program, find_gpu
from backend.engines.cuda.rasterizer import CudaRasterizer
from tests.backend.engines.test_cuda_engine import Scene, stamps


class HostMemory:
    """A card for the engine, with its tensors in the host's memory."""

    name, torch_device = "host", torch.device("cpu")

    def __init__(self, gpu: CudaGpu) -> None:
        self._gpu = gpu

    def program(self, *, linear: bool, textured: bool) -> Program:
        return self._gpu.program(linear=linear, textured=textured)

    graph = None


def main(cubin: str, stream: str) -> None:
    # The answers of PyTorch with one card, which this build lacks.
    answers = {
        "init": None,
        "device_count": 1,
        "get_device_capability": (9, 0),
        "get_device_name": "a card of the tests",
        "current_stream": SimpleNamespace(cuda_stream=int(stream)),
        "device": contextlib.nullcontext(),
    }
    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(torch.version, "cuda", "13.0"))
        for name, answer in answers.items():
            stack.enter_context(mock.patch.object(torch.cuda, name, return_value=answer))
        code = ObjectCode.from_cubin(Path(cubin).read_bytes())
        stack.enter_context(mock.patch.object(compiler, "compiled", return_value=code))
        scene = Scene(stamps(textured=False), 40, 60, 75)
        engine = CudaRasterizer(scene.templates, *scene.size, HostMemory(find_gpu()))  # type: ignore[arg-type]
        given = (scene.params, scene.placement, scene.background, scene.target, scene.weight)
        # In a new thread, which has no context yet.
        with ThreadPoolExecutor(1) as pool:
            _, gradient = pool.submit(engine.step, *given).result()
        _, true_gradient = scene.truth().step(*given)
        sys.stdout.write(f"{float((gradient - true_gradient).abs().max() / true_gradient.abs().max())}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
