"""Layouts of any numbers: no engine reads outside of its tables, and finite ones give finite pictures."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from torch import Tensor

from backend.engines.reference import ReferenceRasterizer
from backend.engines.tensors import CpuRasterizer, Placement, Rasterizer
from backend.native import library
from backend.templates import Template, Templates
from tests.backend.emulation.gpu import EmulatedGpu
from tests.backend.engines.support import fuzz_cases
from tests.backend.engines.support.fuzz_cases import Case
from tests.backend.engines.support.fuzz_engine import on_cpu, on_emulated

BEST = library.best_level()
LEVELS = list(range(2, BEST + 1)) if BEST else [None]

# The same cases each time: `python -m tests.backend.engines.support.fuzz_engine` draws others.
repeated = settings(deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))


@pytest.mark.timeout(300)
@settings(repeated, max_examples=1200)
@given(case=fuzz_cases.cases(fuzz_cases.SMALL, fuzz_cases.COUNTS, fuzz_cases.CHEAP))
def test_the_cpu_engine_draws_any_layout(case: Case) -> None:
    on_cpu(case)


@pytest.mark.timeout(300)
@settings(repeated, max_examples=60)
@given(case=fuzz_cases.cases(fuzz_cases.LARGE, fuzz_cases.MANY, fuzz_cases.COSTLY))
def test_the_cpu_engine_draws_large_layouts(case: Case) -> None:
    on_cpu(case)


@pytest.mark.timeout(300)
@settings(repeated, max_examples=20)
@given(case=fuzz_cases.cases(fuzz_cases.TINY, fuzz_cases.COUNTS, fuzz_cases.CHEAP))
def test_the_cuda_engine_draws_any_layout(emulated_gpu: EmulatedGpu, case: Case) -> None:
    on_emulated(emulated_gpu)(case)


def thin_from_afar(seed: int) -> tuple[Tensor, Placement]:
    """Finite primitives of 32 texels whose tiles lay up to 1e15 texels from them: once read outside of the tables."""
    random = torch.Generator().manual_seed(seed)
    count = 400
    angle, distance, dense = torch.rand(3, count, dtype=torch.float64, generator=random)
    angle, distance = 6.4 * angle - 3.2, 10.0 ** (7.5 + 4.5 * distance)
    long, thin = 3 * distance, 16 / 10.0 ** (2 + 3 * dense)
    columns = [32 - distance * angle.cos(), 32 - distance * angle.sin(), (long * thin).sqrt(), long / thin, angle]
    params = torch.cat([torch.stack(columns, 1), torch.ones(count, 1), torch.rand(count, 3, generator=random)], 1)
    none = torch.zeros(count, dtype=torch.int64)
    return params.float(), Placement(none, torch.stack([none, none], 1), none > 0)


def block() -> Templates:
    return Templates([Template("block", torch.full((32, 32, 4), 200, dtype=torch.uint8).numpy())])


def draw_thin_from_afar(engine: Rasterizer) -> None:
    drawn, planes = 0, torch.rand(3, 64, 64)
    for seed in range(4):
        params, placement = thin_from_afar(seed)
        image, alpha = engine.forward(params, placement, torch.ones(3, 64, 64))
        assert image.isfinite().all()
        assert 0 <= float(image.min()) <= float(image.max()) <= 1 + 1e-6
        drawn += int((alpha > 0).sum())
        assert engine.backward(params, placement, planes, planes).isfinite().all()
        scores = engine.scored_step(params, placement, planes, planes, planes[0])[2]
        assert engine.solve_on_top(params, placement, scores.image, planes, planes).constant.isfinite().all()
        assert engine.gains_on_top(params, placement, scores, planes[0]).isfinite().all()
    assert drawn > 100


@pytest.mark.parametrize("level", LEVELS)
def test_thin_primitives_from_afar_on_the_cpu(level: int | None) -> None:
    draw_thin_from_afar(CpuRasterizer(block(), 64, 64, instructions=level))


def test_thin_primitives_from_afar_on_a_card(emulated_gpu: EmulatedGpu) -> None:
    # Imported here: it is the engine of a card.
    from backend.engines.cuda.rasterizer import CudaRasterizer

    draw_thin_from_afar(CudaRasterizer(block(), 64, 64, emulated_gpu))


def test_thin_primitives_from_afar_in_the_reference() -> None:
    draw_thin_from_afar(ReferenceRasterizer(block(), 64, 64, threads=1))


@pytest.mark.parametrize("level", LEVELS)
def test_a_million_primitives_on_one_pixel(level: int | None) -> None:
    """The transmittance falls to nothing; for a tenth of them, the gradient has as many rows."""
    count, differentiated = 1_000_000, 100_000
    params = torch.tensor([[0.5, 0.5, 0.5, 1, 0, 0.001, 1, 0, 0]]).repeat(count, 1)
    none = torch.zeros(count, dtype=torch.int64)
    placement, planes = Placement(none, torch.stack([none, none], 1), none > 0), torch.zeros(3, 1, 1)
    texel = Templates([Template("texel", torch.full((1, 1, 4), 255).byte().numpy())])
    engine = CpuRasterizer(texel, 1, 1, threads=1, instructions=level)
    image, alpha = engine.forward(params, placement, planes)
    assert image[:, 0, 0].tolist() == pytest.approx([1, 0, 0], abs=1e-3)
    assert float(alpha) == pytest.approx(1, abs=1e-3)
    some = Placement(*(values[:differentiated] for values in (placement.template, placement.level, placement.mirror)))
    assert engine.step(params[:differentiated], some, planes, planes, planes[0])[1].isfinite().all()
