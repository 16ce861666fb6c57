"""Pictures and jobs that several tests need, drawn here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from backend.job import Settings, TemplateSpec
from backend.job.job import Job
from tests.backend.emulation.gpu import COMPILER, EmulatedGpu


@pytest.fixture(scope="session")
def emulated_gpu(tmp_path_factory: pytest.TempPathFactory) -> EmulatedGpu:
    """Runs the CUDA engine's kernels on the CPU."""
    if COMPILER is None:
        pytest.skip("the kernels are emulated with g++ on Linux")
    return EmulatedGpu(tmp_path_factory.mktemp("kernels"))


@pytest.fixture
def stamp(tmp_path: Path) -> Path:
    """A colored leaf with a soft edge, 40 x 24 px."""
    y, x = np.mgrid[-1:1:24j, -1:1:40j]
    alpha = np.clip(3.0 * (1.0 - np.abs(x) - np.abs(y)), 0, 1)
    pixels = np.dstack([0.2 + 0.2 * x, 0.5 + 0.4 * y, np.full_like(x, 0.1), alpha])
    path = tmp_path / "leaf.png"
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A smooth picture with an edge, 64 x 48 px."""
    y, x = np.mgrid[0:1:48j, 0:1:64j]
    pixels = np.dstack([x, y, np.where(x + y > 1, 0.9, 0.2)])
    path = tmp_path / "target.png"
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def job(stamp: Path, target: Path) -> Job:
    """A job that takes a fraction of a second."""
    settings = Settings(count=40, size=64, iterations=8, threads=1)
    return Job(str(target), [TemplateSpec(str(stamp))], settings)
