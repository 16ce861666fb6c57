"""The CUDA engine through cuda.core, with a test driver that runs the emulated kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from backend.engines.cuda import compiler
from tests.backend.emulation.gpu import COMPILER, FOLDER, EmulatedGpu

pytest.importorskip("cuda.core", reason="the CUDA engine's packages are not there")
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tests' driver is built for Linux")


@pytest.mark.parametrize("stream", [0, 4660])
def test_kernels_are_loaded_and_launched(emulated_gpu: EmulatedGpu, tmp_path: Path, stream: int) -> None:
    driver, cubin = tmp_path / "libcuda.so.1", tmp_path / "kernels.cubin"
    command = [str(COMPILER), "-shared", "-fPIC", "-std=c++17", "-o", str(driver), str(FOLDER / "driver.cpp"), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    cubin.write_bytes(compiler.compiled("sm_90", linear=False, textured=False).code)
    variables = {
        **os.environ,
        "LD_LIBRARY_PATH": str(tmp_path),
        "EMULATED_KERNELS": str(emulated_gpu.built(linear=False, textured=False)),
    }
    command = [sys.executable, "-m", "tests.backend.emulation.through_driver", str(cubin), str(stream)]
    root = Path(__file__).parents[3]
    done = subprocess.run(command, cwd=root, env=variables, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 1e-5
    assert f"launch on stream {hex(stream) if stream else '(nil)'}\n" in done.stderr
