"""The judge of a fit: the same numbers in strips, and a smaller image of a large canvas."""

from __future__ import annotations

import numpy as np
import pytest

from backend.engines.cpu import CpuEngine
from backend.engines.interface import Placement
from backend.fitting import judge
from backend.fitting.goal import Goal
from backend.fitting.random import Random
from backend.metrics.picture import psnr
from backend.native.arrays import FloatArray
from backend.pictures.filters import shrunk
from backend.templates import Templates
from tests.backend.support.pictures import disc

HEIGHT, WIDTH, COUNT = 53, 70, 12
TEMPLATES = Templates([disc()])


def primitives() -> tuple[FloatArray, Placement]:
    params = Random(0).uniform(COUNT, 9)
    params[:, :2] *= WIDTH
    params[:, 2] = 5.0 + 10.0 * params[:, 2]
    params[:, 3] = 1.0
    stamp = np.zeros(COUNT, np.int64)
    level = TEMPLATES.choose_levels(stamp, params[:, 2], params[:, 3])
    return params, Placement(stamp, level, np.zeros(COUNT, np.bool_))


def engine(rows: int) -> CpuEngine:
    return CpuEngine(TEMPLATES, rows, WIDTH, threads=1)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("large", [30, 4096])
def test_strips_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch, large: int, *, weighted: bool) -> None:
    random = Random(1)
    target, weight = random.uniform(3, HEIGHT, WIDTH), random.uniform(HEIGHT, WIDTH) if weighted else None
    goal = Goal(target, weight, background=(0.2, 0.4, 0.6))
    given = primitives()
    image, value = judge.Judge(engine(HEIGHT), goal)(*given)
    assert image.shape == (3, HEIGHT, WIDTH)
    assert value == pytest.approx(psnr(image, target, weight))
    monkeypatch.setattr(judge, "LARGE", large)
    monkeypatch.setattr(judge, "STRIP_SAMPLES", WIDTH * 9)  # nine rows, or eight that a factor of 4 divides
    strips = judge.Judge(engine(HEIGHT), goal, strip=engine)
    small, again = strips(*given)
    assert again == pytest.approx(value, abs=1e-5)
    assert strips.psnr(*given) == again
    assert np.allclose(small, shrunk(image, 4) if large == 30 else image, atol=1e-5)
