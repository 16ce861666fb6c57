"""Scores for relocation: the CPU engine against the reference in float64, and both against real changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.engines import interface
from backend.engines.light import decode
from backend.engines.reference import ReferenceRasterizer
from backend.engines.scaled import ScaledRasterizer
from backend.engines.tensors import CpuRasterizer, FarEngine, Placement, Rasterizer, Scores
from backend.native import library
from backend.templates import Template, Templates
from tests.backend.engines.support.levels import choose_levels
from tests.backend.support.pictures import soft_disc

BEST = library.best_level()
LEVELS = list(range(2, BEST + 1)) if BEST else [None]
HEIGHT, WIDTH, COUNT = 70, 90, 60
# Greatest error over greatest value. Observed 3.5e-5 in 6 scenes: gains are small differences of float32 sums.
GAIN_TOLERANCE = 1e-4
# Observed 4e-7.
REMOVAL_TOLERANCE = 4e-6


def stamps() -> Templates:
    """A disc with a soft edge, not square, in each color mode."""
    rgba = soft_disc(48, 64, edge=4, slope=4)
    return Templates(
        [Template("flat", rgba), Template("multiply", rgba, "multiply", 0.7), Template("mix", rgba, "mix", 0.4)]
    )


class Case:
    """A random scene with target and weight, and the scores of an engine."""

    def __init__(self, space: str, seed: int = 0, loss: str = "mse") -> None:
        self.templates, self.space, self.loss = stamps(), space, loss
        random = torch.Generator().manual_seed(seed)
        self.params = torch.rand(COUNT, 9, generator=random)
        self.params[:, 0] = self.params[:, 0] * (WIDTH + 30) - 15
        self.params[:, 1] = self.params[:, 1] * (HEIGHT + 30) - 15
        self.params[:, 2] = 3 + 20 * self.params[:, 2]
        self.params[:, 3] = 0.5 + 1.5 * self.params[:, 3]
        self.params[:, 4] *= 7
        template = torch.randint(0, len(self.templates), (COUNT,), generator=random)
        level = choose_levels(self.templates, template, self.params[:, 2], self.params[:, 3])
        self.placement = Placement(template, level, torch.rand(COUNT, generator=random) < 0.5)
        self.background = torch.rand(3, HEIGHT, WIDTH, generator=random)
        self.target = torch.rand(3, HEIGHT, WIDTH, generator=random)
        self.weight = torch.rand(HEIGHT, WIDTH, generator=random)
        self.reference = ReferenceRasterizer(self.templates, HEIGHT, WIDTH, space=space, threads=1, dtype=torch.float64)

    def scores(self, engine: Rasterizer) -> Scores:
        return engine.scored_step(self.params, self.placement, self.background, self.target, self.weight, self.loss)[2]

    def value(self, params: Tensor, placement: Placement, background: Tensor) -> float:
        return self.reference.step(params, placement, background, self.target, self.weight, self.loss)[0].item()


def part(placement: Placement, index: list[int]) -> Placement:
    return Placement(placement.template[index], placement.level[index], placement.mirror[index])


def worst(found: Tensor, truth: Tensor) -> float:
    return float((found - truth).abs().max() / truth.abs().max())


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_a_scored_step_matches_the_reference(level: int | None, space: str, loss: str) -> None:
    case = Case(space, loss=loss)
    engine = CpuRasterizer(case.templates, HEIGHT, WIDTH, space=space, instructions=level)
    found, truth = case.scores(engine), case.scores(case.reference)
    assert worst(found.image, truth.image) < 4e-6  # as in test_engines
    assert worst(found.loss_map, truth.loss_map) < 4e-6
    assert worst(found.removal, truth.removal) < REMOVAL_TOLERANCE
    arguments = (case.params, case.placement, case.background, case.target, case.weight, loss)
    plain, scored = engine.step(*arguments), engine.scored_step(*arguments)
    assert plain[0] == scored[0]
    assert torch.equal(plain[1], scored[1])


@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("loss", ["mse", "l1"])
def test_removal_is_the_increase_of_the_loss_without_a_primitive(space: str, loss: str) -> None:
    case = Case(space, loss=loss)
    removal = case.scores(case.reference).removal
    before = case.value(case.params, case.placement, case.background)
    for number in (0, 7, 31, COUNT - 1):
        others = [k for k in range(COUNT) if k != number]
        after = case.value(case.params[others], part(case.placement, others), case.background)
        assert after - before == pytest.approx(float(removal[number]), abs=1e-9 * before)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_candidates_match_the_reference(level: int | None, space: str, seed: int) -> None:
    case = Case(space, seed)
    engine = CpuRasterizer(case.templates, HEIGHT, WIDTH, space=space, instructions=level)
    truth, found = case.scores(case.reference), case.scores(engine)
    composited = decode(case.target) if space == "linear" else case.target
    weight = torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(seed))
    solved = [
        e.solve_on_top(case.params, case.placement, s.image, composited, weight)
        for e, s in ((engine, found), (case.reference, truth))
    ]
    assert worst(solved[0].numerator, solved[1].numerator) < GAIN_TOLERANCE
    assert worst(solved[0].denominator, solved[1].denominator) < GAIN_TOLERANCE
    assert worst(solved[0].constant, solved[1].constant) < GAIN_TOLERANCE
    gains = [
        e.gains_on_top(case.params, case.placement, s, case.weight)
        for e, s in ((engine, found), (case.reference, truth))
    ]
    assert worst(*gains) < GAIN_TOLERANCE


@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_a_weight_may_be_that_of_all_channels(engine: str) -> None:
    case = Case("display")
    scores, makes = case.scores(case.reference), {"cpu": CpuRasterizer(case.templates, HEIGHT, WIDTH)}
    solve = makes.get(engine, case.reference).solve_on_top
    given = case.params, case.placement, scores.image.float(), case.target
    one, each = solve(*given, case.weight), solve(*given, case.weight.expand(3, -1, -1))
    for own, others in zip(vars(one).values(), vars(each).values(), strict=True):
        # The reference sums one plane in another order than three: rounding of float64.
        assert torch.allclose(own, others, rtol=0.0, atol=0.0 if engine == "cpu" else 1e-14 * float(own.abs().max()))


@pytest.mark.parametrize("space", ["display", "linear"])
def test_a_gain_is_the_fall_of_the_loss(space: str) -> None:
    case = Case(space)
    scores = case.scores(case.reference)
    gains = case.reference.gains_on_top(case.params, case.placement, scores, case.weight)
    before = float(scores.loss_map.sum())
    for number in (0, 7, 31):
        after = case.value(case.params[[number]], part(case.placement, [number]), scores.image)
        assert before - after == pytest.approx(float(gains[number]), abs=1e-9 * before)


def test_the_least_squares_color_is_the_best() -> None:
    case = Case("display")
    scores = case.scores(case.reference)
    solved = case.reference.solve_on_top(
        case.params, case.placement, scores.image, case.target, case.weight.expand(3, -1, -1)
    )
    seen = solved.denominator.min(1).values > 1e-3
    assert torch.allclose(
        solved.gain(case.params[:, 6:].double()),
        case.reference.gains_on_top(case.params, case.placement, scores, case.weight),
    )
    best = solved.numerator / solved.denominator.clamp_min(1e-12)
    for shift in (-0.01, 0.01):
        assert (solved.gain(best) >= solved.gain(best + shift))[seen].all()


def test_candidates_on_some_rows_are_judged_alike() -> None:
    case = Case("display")
    case.params[:, 2] = 30.0
    engine = CpuRasterizer(case.templates, HEIGHT, WIDTH).engine
    params, weight = case.params.numpy(), case.weight.numpy()
    placement = interface.Placement(*(part.numpy() for part in vars(case.placement).values()))
    planes = [plane.numpy() for plane in (case.background, case.target)]
    # On smooth pictures, where a row is like the next one.
    image, target = (np.broadcast_to(plane.mean((1, 2), keepdims=True), plane.shape) for plane in planes)
    scores = engine.scored_step(params, placement, image, target, np.ones_like(weight))[2]
    whole = engine.gains_on_top(params, placement, scores, np.ones_like(weight))
    some = engine.gains_on_top(params, placement, scores, np.ones_like(weight), rows=4)
    assert not np.array_equal(whole, some)
    assert np.corrcoef(whole, some)[0, 1] > 0.99


@pytest.mark.parametrize("threads", [1, 3])
def test_scores_are_bit_identical_for_any_number_of_threads(threads: int) -> None:
    case = Case("linear")
    engines = [CpuRasterizer(case.templates, HEIGHT, WIDTH, space="linear", threads=n) for n in (threads, 2)]
    one, other = (case.scores(engine) for engine in engines)
    assert torch.equal(one.removal, other.removal)
    gains = [engine.gains_on_top(case.params, case.placement, one, case.weight) for engine in engines]
    assert torch.equal(*gains)


def test_a_scaled_engine_differentiates_lengths_of_the_canvas() -> None:
    case = Case("display")
    small = ReferenceRasterizer(case.templates, HEIGHT // 2, WIDTH // 2, threads=1, dtype=torch.float64)
    engine = ScaledRasterizer(FarEngine(small), 2)
    given = (case.background[:, ::2, ::2], case.target[:, ::2, ::2], case.weight[::2, ::2])
    background, target, weight = (plane.numpy() for plane in given)
    placement = interface.Placement(*(part.numpy() for part in vars(case.placement).values()))
    # In double precision, as the reference computes.
    params: Any = case.params.double().numpy()
    value, gradient = engine.step(params, placement, background, target, weight)
    step = 1e-6
    for column in range(9):
        moved = params.copy()
        moved[5, column] += step
        slope = (engine.step(moved, placement, background, target, weight)[0] - value) / step
        # The error of the finite difference and rounding: observed at most 1e-5.
        assert slope == pytest.approx(float(gradient[5, column]), rel=1e-3, abs=1e-4)
