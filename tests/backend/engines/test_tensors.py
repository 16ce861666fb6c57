"""The faces of the engines: tensors over arrays, and arrays over tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from backend.engines import interface, make_engine
from backend.engines.interface import Noise
from backend.engines.native import noise_plane
from backend.engines.reference import ReferenceRasterizer
from backend.engines.tensors import FarEngine, KeptPlanes, Placement
from backend.native.arrays import FloatArray
from tests.backend.engines.test_scores import HEIGHT, WIDTH, Case


def arrays_of(case: Case) -> tuple[FloatArray, interface.Placement]:
    placed = (part.numpy() for part in vars(case.placement).values())
    return case.params.numpy(), interface.Placement(*placed)


@pytest.mark.parametrize("space", ["display", "linear"])
def test_the_reference_speaks_arrays_as_the_cpu_engine_does(space: str) -> None:
    case = Case(space)
    given = arrays_of(case)
    background, target, weight = (plane.numpy() for plane in (case.background, case.target, case.weight))
    cpu, far = (
        make_engine(name, case.templates, HEIGHT, WIDTH, space=space, threads=1) for name in ("cpu", "reference")
    )
    assert not cpu.waits
    assert not far.waits
    assert far.iteration(1, interface.AdamRule(*[0.5] * 11)) is None
    for found, true in zip(far.forward(*given, background), cpu.forward(*given, background), strict=True):
        assert found.dtype == true.dtype == np.dtype(np.float32)
        assert np.allclose(found, true, atol=1e-5)
    cotangents = (target, weight)
    gradients = [engine.backward(*given, background, *cotangents) for engine in (far, cpu)]
    assert np.abs(gradients[0] - gradients[1]).max() < 1e-4 * np.abs(gradients[1]).max()
    (value, _, scores), (true_value, _, true_scores) = (
        engine.scored_step(*given, background, target, weight) for engine in (far, cpu)
    )
    assert value == pytest.approx(true_value, rel=1e-5)
    assert scores.target is target
    gains = [e.gains_on_top(*given, s, weight) for e, s in ((far, scores), (cpu, true_scores))]
    assert np.abs(gains[0] - gains[1]).max() < 1e-3 * np.abs(gains[1]).max()
    solved = [e.solve_on_top(*given, true_scores.image, target, background).constant for e in (far, cpu)]
    assert np.abs(solved[0] - solved[1]).max() < 1e-3 * np.abs(solved[1]).max()


@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_a_step_on_noise_is_the_one_on_its_plane(name: str, space: str) -> None:
    case, noise = Case(space), Noise(123456789, 0.5)
    params, placement = arrays_of(case)
    engine = make_engine(name, case.templates, HEIGHT, WIDTH, space=space, threads=1)
    planes = (case.target.numpy(), case.weight.numpy())
    value, gradient = engine.step(params, placement, noise, *planes)
    plane = noise_plane(noise, HEIGHT, WIDTH, space=space)
    expected, expected_gradient = engine.step(params, placement, plane, *planes)
    assert value == expected
    assert np.array_equal(gradient, expected_gradient)


def test_planes_are_sent_to_a_device_once() -> None:
    kept = KeptPlanes(torch.device("meta"))
    planes = [np.zeros((3, 2, 2), np.float32) for _ in range(9)]
    first = kept.sent(planes[0])
    assert first.device.type == "meta"
    for plane in planes[1:8]:
        kept.sent(plane)
        assert kept.sent(planes[0]) is first
    for plane in planes[1:9]:  # as many as it keeps
        kept.sent(plane)
    assert kept.sent(planes[0]) is not first


def test_views_and_frozen_arrays_are_sent() -> None:
    case = Case("display")
    engine = FarEngine(ReferenceRasterizer(case.templates, HEIGHT, WIDTH, threads=1))
    params, placement = arrays_of(case)
    params.flags.writeable = False
    white = np.broadcast_to(np.float32(1.0), (3, HEIGHT, WIDTH))
    image, _ = engine.forward(params, placement, white)
    true = ReferenceRasterizer(case.templates, HEIGHT, WIDTH, threads=1).forward(
        case.params, Placement(*vars(case.placement).values()), torch.ones(3, HEIGHT, WIDTH)
    )[0]
    assert np.array_equal(image, true.numpy())
