"""Whole steps of the CUDA engine, on emulated kernels, against the optimizer in PyTorch on the CPU engine."""

from __future__ import annotations

import math
from typing import Any, TypeVar

import numpy as np
import pytest

from backend import doctor
from backend.engines import make_engine
from backend.engines.cpu import CpuEngine
from backend.engines.cuda.rasterizer import CudaRasterizer
from backend.engines.interface import Engine, Iteration, Noise, Placement, Variables
from backend.engines.native import noise_plane
from backend.engines.tensors import FarEngine
from backend.fitting.constraints.limits import Bounds
from backend.fitting.optimizer import Optimizer
from backend.fitting.recipe import DEFAULT
from backend.job import Limits
from backend.native.arrays import FloatArray
from backend.pictures.color import decode
from backend.templates import Template, Templates
from tests.backend.emulation.gpu import EmulatedGpu
from tests.backend.support.pictures import soft_disc

HEIGHT, WIDTH, COUNT = 70, 90, 60
# Float arithmetic in another order, divided by the root of the second moment; observed 3e-6 after one step.
TOLERANCE = 3e-5

Kind = TypeVar("Kind", bound=Iteration)
RULE = DEFAULT.adam_rule(spacing=9.0, iterations=100)


def stamps() -> Templates:
    rgba = soft_disc(48, 64, edge=8, slope=3)
    stretching = Limits(stretch=3.0)
    return Templates([Template("flat", rgba, limits=stretching), Template("mix", rgba, "mix", 0.4, stretching)])


class Scene:
    """Random primitives of all kinds, and the other inputs of a step."""

    def __init__(self, seed: int = 0) -> None:
        self.templates = stamps()
        random = np.random.default_rng(seed)
        free = random.random((COUNT, 9), np.float32)
        free[:, 0] *= WIDTH
        free[:, 1] *= HEIGHT
        free[:, 2] = 4 + 12 * free[:, 2]
        free[:, 3] = np.exp(2 * math.log(3) * free[:, 3] - math.log(3))
        free[:, 4] = 7 * free[:, 4] - 3.5
        free[:, 5] = 0.1 + 0.8 * free[:, 5]
        low, high = np.full_like(free, -np.inf), np.full_like(free, np.inf)
        low[:, 2], high[:, 2] = 4.0, 15.9
        low[:, 3], high[:, 3] = 1 / 3, 3.0
        low[:20, 4], high[:20, 4] = 0.2, 0.9  # the others turn freely
        low[:, 5], high[:, 5] = 0.0025, 0.9975
        low[:, 6:], high[:, 6:] = 0.0, 1.0
        self.free, self.bounds = free, Bounds(low, high)
        self.frozen = random.random((COUNT, 9)) < 0.1
        self.template = random.integers(0, 2, COUNT)
        self.mirror = random.random(COUNT) < 0.5
        self.palette = random.random((5, 3), np.float32)
        self.background, self.target = random.random((2, 3, HEIGHT, WIDTH), np.float32)
        self.weight = random.random((HEIGHT, WIDTH), np.float32) / 100

    def variables(self) -> Variables:
        zero = np.zeros((COUNT, 9), np.float32)
        low, high = self.bounds.low, self.bounds.high
        free = np.where(self.frozen, self.free, self.bounds.clamp(self.free))
        return Variables(free, zero, zero.copy(), zero[:, :1].copy(), low, high, self.frozen)

    def loaded(self, iteration: Kind) -> Kind:
        """Puts the variables into the iteration."""
        iteration.load(self.variables(), self.template, self.mirror)
        return iteration


@pytest.mark.parametrize("shrink", [1, 2])
@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("limited", [None, False, True])
def test_a_whole_step_matches_the_optimizer(
    emulated_gpu: EmulatedGpu, space: str, limited: bool | None, shrink: int
) -> None:
    scene, linear = Scene(), space == "linear"
    palette = None if limited is None else scene.palette
    optimizer = Optimizer(scene.free, scene.bounds, scene.frozen, RULE, linear=linear, palette=palette)
    if limited:
        optimizer.limit_colors()
    background, target, weight = (plane[..., ::shrink, ::shrink].copy() for plane in planes(scene))
    height, width = weight.shape
    engine = CpuEngine(scene.templates, height, width, space=space)
    cuda = CudaRasterizer(scene.templates, height, width, emulated_gpu, space=space)
    iteration = scene.loaded(cuda.iteration(COUNT, RULE, palette=palette, shrink=shrink))
    unit = np.ones(9, np.float32)
    unit[:3] = 1 / shrink
    for rate, bias, scored in ((1.0, 0.5, False), (0.7, 1.0, True), (0.5, 1.0, False)):
        # Both continue from the same values: Adam divides by small ones, and differences would grow.
        given = iteration.unload()
        optimizer.adopt(given)
        found = iteration.run(background, target, weight, rate=rate, bias=bias, limited=bool(limited), scored=scored)
        params = optimizer.params * unit
        level = scene.templates.choose_levels(scene.template, optimizer.params[:, 2], optimizer.params[:, 3], bias)
        placement = Placement(scene.template, level, scene.mirror)
        true_loss, gradient, true_scores = engine.scored_step(params, placement, background, target, weight)
        assert float(found.loss) == pytest.approx(true_loss, rel=1e-6)
        assert np.allclose(found.params.read(), optimizer.encoded, atol=1e-6)
        assert (found.scores is not None) == scored
        if found.scores is not None:
            assert np.allclose(found.scores.image, true_scores.image, atol=1e-5)
            assert np.allclose(found.scores.removal, true_scores.removal, atol=1e-5)
        optimizer.step(gradient * unit, rate)
        after = iteration.unload()
        assert np.allclose(after.free, optimizer.variables.free, rtol=TOLERANCE, atol=TOLERANCE)
        assert np.array_equal(after.free[scene.frozen], given.free[scene.frozen])
        assert np.array_equal(after.age, given.age + 1)


def planes(scene: Scene) -> tuple[FloatArray, FloatArray, FloatArray]:
    return scene.background, scene.target, scene.weight


def test_a_step_without_enough_memory_changes_nothing_and_later_ones_have_more(emulated_gpu: EmulatedGpu) -> None:
    scene = Scene()
    cuda = CudaRasterizer(scene.templates, HEIGHT, WIDTH, emulated_gpu)
    iteration = cuda.iteration(COUNT, RULE)
    scene.loaded(iteration)

    def run() -> float:
        return float(iteration.run(*planes(scene), rate=1.0, bias=1.0, limited=False, scored=False).loss)

    assert math.isfinite(run())
    # All become as large as the canvas at once, which no step of Adam can do.
    iteration.variables["free"][:, 2] = 2000.0
    before = iteration.unload()
    losses = [run()]
    assert losses == [math.inf]
    for name, values in vars(iteration.unload()).items():
        assert np.array_equal(values, getattr(before, name)), name
    losses += [run() for _ in range(8)]
    assert math.isfinite(losses[-1])
    assert not np.array_equal(iteration.unload().free, before.free)


@pytest.mark.parametrize("space", ["display", "linear"])
def test_levels_match_those_of_templates(emulated_gpu: EmulatedGpu, space: str) -> None:
    """Decoded colors and chosen levels show in the picture, which must equal the engine's."""
    scene = Scene(3)
    scene.free[:, 3] = 1.0
    scene.free[:, 2] = np.linspace(4.0, 15.0, COUNT)
    scene.frozen[:] = False
    cuda = CudaRasterizer(scene.templates, HEIGHT, WIDTH, emulated_gpu, space=space)
    iteration = cuda.iteration(COUNT, RULE)
    for bias in (0.125, 0.4, 1.0, 2.0):
        scene.loaded(iteration)
        found = iteration.run(*planes(scene), rate=1.0, bias=bias, limited=False, scored=True)
        image = shown(scene, found.params.read(), bias, space)
        assert found.scores is not None
        assert np.allclose(found.scores.image, image, atol=1e-5)


def shown(scene: Scene, encoded: FloatArray, bias: float = 1.0, space: str = "display") -> FloatArray:
    """The picture of encoded params [N, 9] by the CPU engine."""
    level = scene.templates.choose_levels(scene.template, encoded[:, 2], encoded[:, 3], bias)
    params = encoded.copy()
    if space == "linear":
        params[:, 6:] = decode(params[:, 6:])
    engine = CpuEngine(scene.templates, HEIGHT, WIDTH, space=space)
    return engine.forward(params, Placement(scene.template, level, scene.mirror), scene.background)[0]


def test_grown_primitives_are_sharp_after_the_next_check(emulated_gpu: EmulatedGpu) -> None:
    scene = Scene(4)
    rgba = np.random.default_rng(0).integers(0, 256, (400, 400, 4), np.uint8)
    scene.templates = Templates([Template("noise", rgba, "mix", 0.5)])
    scene.free[:, 2:4] = 4.0, 1.0
    scene.frozen[:] = True
    scene.template[:] = 0
    cuda = CudaRasterizer(scene.templates, HEIGHT, WIDTH, emulated_gpu)
    iteration = cuda.iteration(COUNT, RULE)
    scene.loaded(iteration)
    small = cuda.held_bytes
    for _ in range(2):
        iteration.run(*planes(scene), rate=1.0, bias=1.0, limited=False, scored=True)
    assert cuda.held_bytes == small
    iteration.variables["free"][0, 2] = 300.0
    for _ in range(9):
        found = iteration.run(*planes(scene), rate=1.0, bias=1.0, limited=False, scored=True)
    assert cuda.held_bytes > 100 * small
    assert found.scores is not None
    assert np.allclose(found.scores.image, shown(scene, found.params.read()), atol=1e-5)


@pytest.mark.parametrize("space", ["display", "linear"])
def test_noise_is_made_in_the_kernel(emulated_gpu: EmulatedGpu, space: str) -> None:
    scene, noise = Scene(5), Noise(0x9ABCDEF0, 0.7)
    plane = noise_plane(noise, HEIGHT, WIDTH, space=space)
    found = []
    for background in (noise, plane):
        cuda = CudaRasterizer(scene.templates, HEIGHT, WIDTH, emulated_gpu, space=space)
        iteration = scene.loaded(cuda.iteration(COUNT, RULE))
        step = iteration.run(background, scene.target, scene.weight, rate=1.0, bias=1.0, limited=False, scored=True)
        assert step.scores is not None
        found.append((float(step.loss), step.scores.image, iteration.unload().free))
    assert found[0][0] == found[1][0]
    assert np.array_equal(found[0][1], found[1][1])
    assert np.array_equal(found[0][2], found[1][2])


@pytest.mark.parametrize("space", ["display", "linear"])
def test_the_doctor_examines_whole_steps(
    emulated_gpu: EmulatedGpu, monkeypatch: pytest.MonkeyPatch, space: str
) -> None:
    def emulated(engine: str, templates: Templates, height: int, width: int, **options: Any) -> Engine:
        if engine != "cuda":
            return make_engine(engine, templates, height, width, **options)
        return FarEngine(
            CudaRasterizer(templates, height, width, emulated_gpu, space=options["space"]), options["space"]
        )

    monkeypatch.setattr(doctor, "make_engine", emulated)
    error = doctor._step_error("cuda", space)
    assert error is not None
    assert error < 1e-5
    of_cpu = doctor._step_error("cpu", space)
    assert of_cpu is not None
    assert of_cpu < 1e-5
    assert doctor._step_error("reference", space) is None
    program = emulated_gpu.program(linear=space == "linear", textured=True)
    launch = program.launch
    monkeypatch.setattr(
        program, "launch", lambda kernel, *args: None if kernel == "descend_variables" else launch(kernel, *args)
    )
    without = doctor._step_error("cuda", space)
    assert without is not None
    assert without > 0.1
