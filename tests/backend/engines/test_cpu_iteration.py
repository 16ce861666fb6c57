"""Whole steps of the CPU engine against its single passes and the optimizer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from backend.engines import cpu_iteration
from backend.engines.cpu import CpuEngine
from backend.engines.interface import Noise, Placement
from backend.engines.native import noise_plane
from backend.fitting.optimizer import Optimizer
from tests.backend.engines.test_cuda_iteration import COUNT, HEIGHT, RULE, WIDTH, Scene, planes


@pytest.fixture
def _exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets whole steps draw what is behind closed rows too."""
    monkeypatch.setattr(cpu_iteration, "CLOSED", 0.0)


@pytest.mark.usefixtures("_exact")
@pytest.mark.parametrize("shrink", [1, 2])
@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("limited", [None, False, True])
def test_whole_steps_are_those_of_the_optimizer_to_the_bit(space: str, limited: bool | None, shrink: int) -> None:
    scene = Scene()
    palette = None if limited is None else scene.palette
    options = {"linear": space == "linear", "palette": palette}
    optimizer = Optimizer(scene.free, scene.bounds, scene.frozen, RULE, **options)  # type: ignore[arg-type]
    if limited:
        optimizer.limit_colors()
    given = tuple(plane[..., ::shrink, ::shrink].copy() for plane in planes(scene))
    engine, other = (CpuEngine(scene.templates, *given[2].shape, space=space, threads=n) for n in (1, 2))
    iteration = scene.loaded(other.iteration(COUNT, RULE, palette=palette, shrink=shrink))
    unit = np.ones(9, np.float32)
    unit[:3] = 1 / shrink
    for rate, bias, scored in ((1.0, 0.5, False), (0.7, 1.0, True), (0.5, 1.0, False)):
        step = iteration.run(*given, rate=rate, bias=bias, limited=bool(limited), scored=scored)
        level = scene.templates.choose_levels(scene.template, optimizer.params[:, 2], optimizer.params[:, 3], bias)
        placement = Placement(scene.template, level, scene.mirror)
        loss, gradient, scores = engine.scored_step(optimizer.params * unit, placement, *given)
        assert float(step.loss) == loss
        assert np.array_equal(step.params.read(), optimizer.encoded)
        assert (step.scores is not None) == scored
        if step.scores is not None:
            for name, values in vars(scores).items():
                assert np.array_equal(getattr(step.scores, name), values), name
        optimizer.step(gradient * unit, rate)
        assert np.array_equal(iteration.unload().free, optimizer.variables.free)


def test_what_a_step_gave_stays_after_the_next_one() -> None:
    scene = Scene(1)
    iteration = scene.loaded(CpuEngine(scene.templates, HEIGHT, WIDTH).iteration(COUNT, RULE))
    first = iteration.run(*planes(scene), rate=1.0, bias=1.0, limited=False, scored=False)
    before, after = first.params.read().copy(), iteration.unload()
    moved = after.free.copy()
    iteration.run(*planes(scene), rate=1.0, bias=1.0, limited=False, scored=False)
    assert np.array_equal(first.params.read(), before)
    assert np.array_equal(after.free, moved)
    assert not np.array_equal(iteration.unload().free, moved)


@pytest.mark.parametrize("space", ["display", "linear"])
def test_noise_is_the_background_that_its_plane_is(space: str) -> None:
    scene, noise = Scene(2), Noise(0x9ABCDEF0, 0.7)
    engine = CpuEngine(scene.templates, HEIGHT, WIDTH, space=space)
    steps = []
    for background in (noise, noise_plane(noise, HEIGHT, WIDTH, space=space)):
        iteration = scene.loaded(engine.iteration(COUNT, RULE))
        given = (background, scene.target, scene.weight)
        steps.append((iteration.run(*given, rate=1.0, bias=1.0, limited=False, scored=True), iteration.unload()))
    (one, moved), (other, also_moved) = steps
    assert float(one.loss) == float(other.loss)
    assert np.array_equal(moved.free, also_moved.free)


@pytest.mark.usefixtures("_exact")
@pytest.mark.parametrize("rows", [2, 4])
def test_steps_on_some_rows_are_together_the_whole_step(rows: int) -> None:
    scene = Scene(3)
    engine = CpuEngine(scene.templates, HEIGHT, WIDTH)
    losses = {}
    for step in (1, rows):
        iteration = scene.loaded(engine.iteration(COUNT, RULE))
        # At rate 0, Adam moves nothing.
        still = {"rate": 0.0, "bias": 1.0, "limited": False, "scored": False, "rows": step}
        losses[step] = [float(iteration.run(*planes(scene), **still).loss) for _ in range(rows)]  # type: ignore[arg-type]
    assert math.fsum(losses[rows]) == pytest.approx(math.fsum(losses[1]), rel=1e-6)
    assert len(set(losses[rows])) == rows


def test_scored_steps_look_at_all_rows() -> None:
    scene = Scene(3)
    engine = CpuEngine(scene.templates, HEIGHT, WIDTH)
    found = []
    for rows in (1, 4):
        iteration = scene.loaded(engine.iteration(COUNT, RULE))
        step = iteration.run(*planes(scene), rate=1.0, bias=1.0, limited=False, scored=True, rows=rows)
        found.append(float(step.loss))
    assert found[0] == found[1]


def test_closed_rows_change_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nearly opaque primitives on top of each other, where most lie behind closed rows."""
    scene = Scene(6)
    scene.free[:, 2], scene.free[:, 5] = 15.0, 0.99
    scene.frozen[:] = False
    engine = CpuEngine(scene.templates, HEIGHT, WIDTH)
    found, limit = [], cpu_iteration.CLOSED
    for closed in (limit, 0.0):
        monkeypatch.setattr(cpu_iteration, "CLOSED", closed)
        iteration = scene.loaded(engine.iteration(COUNT, RULE))
        step = iteration.run(*planes(scene), rate=1.0, bias=1.0, limited=False, scored=True)
        assert step.scores is not None
        found.append((float(step.loss), step.scores.image.copy()))
    (fast, fast_image), (exact, image) = found
    assert fast == pytest.approx(exact, rel=1e-3)
    # What is behind shows the background instead, at most so much of it.
    assert 0.0 < np.abs(fast_image - image).max() < limit
