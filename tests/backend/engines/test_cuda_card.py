"""The CUDA engine on a card. Some tests also run on emulated kernels."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor

from backend import doctor
from backend.engines.cuda import compiler, memory
from backend.engines.cuda.gpu import CudaGpu, Gpu, Program, find_gpu
from backend.engines.cuda.rasterizer import CudaRasterizer
from backend.fitting import fit
from backend.job import Settings, UserError
from backend.native.arrays import FloatArray
from tests.backend.engines import test_cuda_engine as drawn
from tests.backend.engines import test_cuda_iteration as stepped
from tests.backend.support.fit_cases import FitCase
from tests.backend.support.fit_cases import stamps as fit_stamps
from tests.backend.support.pictures import picture

# The limits for cards, as in the doctor.
IMAGE_TOLERANCE = doctor.IMAGE_TOLERANCE
GRADIENT_TOLERANCE = doctor.GRADIENT_TOLERANCE
IN_ORDER_TOLERANCE = 1e-5  # of gradients that are summed in order


@pytest.fixture(scope="session")
def card() -> CudaGpu:
    try:
        return find_gpu()
    except UserError as error:
        pytest.skip(error.message)


@pytest.fixture(params=["emulated_gpu", pytest.param("card", marks=pytest.mark.gpu)])
def gpu(request: pytest.FixtureRequest) -> Gpu:
    return request.getfixturevalue(request.param)


class Scene(drawn.Scene):
    """A scene on a device, and on the CPU for the reference."""

    def __init__(self, gpu: Gpu, *, textured: bool, count: int = 60, size: tuple[int, int] = (45, 53)) -> None:
        super().__init__(drawn.stamps(textured=textured), count, *size)
        self.gpu = gpu

    def cuda(self, *, space: str = "display", deterministic: bool = True) -> CudaRasterizer:
        return CudaRasterizer(self.templates, *self.size, self.gpu, space=space, deterministic=deterministic)

    def there(self, *names: str) -> list[Tensor]:
        return [getattr(self, name).to(self.gpu.torch_device) for name in names]

    def step(self, engine: CudaRasterizer, loss: str = "mse") -> tuple[Tensor, Tensor]:
        params, background, target, weight = self.there("params", "background", "target", "weight")
        return engine.step(params, self.placement.to(self.gpu.torch_device), background, target, weight, loss)


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("textured", [False, True])
@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("size", [(45, 53), (16, 32), (1, 17)])
def test_image_and_gradients_match_the_reference(
    gpu: Gpu, space: str, textured: bool, deterministic: bool, size: tuple[int, int]
) -> None:
    scene = Scene(gpu, textured=textured, size=size)
    engine, truth = scene.cuda(space=space, deterministic=deterministic), scene.truth(space=space)
    tolerance = IN_ORDER_TOLERANCE if deterministic else GRADIENT_TOLERANCE
    params, background, grad_image, grad_alpha = scene.there("params", "background", "grad_image", "grad_alpha")
    given = (scene.params, scene.placement, scene.background)
    placement = scene.placement.to(gpu.torch_device)

    image, alpha = engine.forward(params, placement, background)
    true_image, true_alpha = truth.forward(*given)
    assert image.device == gpu.torch_device
    assert (image.cpu() - true_image).abs().max() < IMAGE_TOLERANCE
    assert (alpha.cpu() - true_alpha).abs().max() < IMAGE_TOLERANCE
    gradient = engine.backward(params, placement, background, grad_image, grad_alpha)
    true_gradient = truth.backward(*given, scene.grad_image, scene.grad_alpha)
    assert drawn.worst(gradient.cpu(), true_gradient) < tolerance
    for loss in ("mse", "l1"):
        value, gradient = scene.step(engine, loss)
        true_value, true_gradient = truth.step(*given, scene.target, scene.weight, loss)
        assert float(value) == pytest.approx(float(true_value), rel=1e-5)
        assert drawn.worst(gradient.cpu(), true_gradient) < tolerance


def test_scores_and_candidates_match_the_reference(gpu: Gpu) -> None:
    scene = Scene(gpu, textured=True)
    engine, truth = scene.cuda(), scene.truth()
    planes = ("params", "background", "target", "weight")
    params, background, target, weight = scene.there(*planes)
    placement = scene.placement.to(gpu.torch_device)
    _, _, scores = engine.scored_step(params, placement, background, target, weight)
    _, _, true = truth.scored_step(scene.params, scene.placement, scene.background, scene.target, scene.weight)
    for name in ("image", "loss_map"):
        assert (getattr(scores, name).cpu() - getattr(true, name)).abs().max() < IMAGE_TOLERANCE, name
    assert (scores.removal.cpu() - true.removal).abs().max() < 1e-5 * true.removal.abs().max()
    gains = engine.gains_on_top(params, placement, scores, weight).cpu()
    true_gains = truth.gains_on_top(scene.params, scene.placement, true, scene.weight)
    assert (gains - true_gains).abs().max() < 1e-4 * true_gains.abs().max()


def test_deterministic_steps_are_bit_identical(gpu: Gpu) -> None:
    scene = Scene(gpu, textured=True, count=200)
    first, again, anew = scene.step(engine := scene.cuda()), scene.step(engine), scene.step(scene.cuda())
    for other in (again, anew):
        assert torch.equal(first[0], other[0])
        assert torch.equal(first[1], other[1])


class Eager:
    """A card that launches recorded work each time."""

    def __init__(self, gpu: Gpu) -> None:
        self.name, self.torch_device, self._gpu = gpu.name, gpu.torch_device, gpu

    def program(self, *, linear: bool, textured: bool) -> Program:
        return self._gpu.program(linear=linear, textured=textured)

    def graph(self, work: Callable[[], None]) -> Callable[[], None]:
        return work


def steps_of(gpu: Gpu) -> list[FloatArray]:
    """Returns losses and params of some whole steps, partly scored, and the final variables."""
    scene = stepped.Scene()
    engine = CudaRasterizer(scene.templates, stepped.HEIGHT, stepped.WIDTH, gpu)
    iteration = scene.loaded(engine.iteration(stepped.COUNT, stepped.RULE))
    steps = [
        iteration.run(*stepped.planes(scene), rate=1.0, bias=1.0, limited=False, scored=step % 5 == 4)
        for step in range(24)
    ]
    found = [array for step in steps for array in (np.float32(step.loss), step.params.read())]
    return [*found, iteration.unload().free]


def test_recorded_steps_equal_launched_ones(gpu: Gpu) -> None:
    for recorded, launched in zip(steps_of(gpu), steps_of(Eager(gpu)), strict=True):
        assert np.array_equal(recorded, launched)


@pytest.mark.gpu
def test_parallel_jobs_do_not_disturb_each_other(card: CudaGpu) -> None:
    alone = steps_of(card)

    def work(_: int) -> list[list[FloatArray]]:
        # A new thread without a context of PyTorch, on its own stream.
        with torch.cuda.stream(torch.cuda.Stream(card.torch_device)):
            return [steps_of(card) for _ in range(4)]

    with ThreadPoolExecutor(3) as pool:
        for found in (steps for jobs in pool.map(work, range(3)) for steps in jobs):
            assert all(np.array_equal(*pair) for pair in zip(alone, found, strict=True))


@pytest.mark.gpu
def test_kernels_launch_from_a_new_thread(card: CudaGpu) -> None:
    scene = Scene(card, textured=False)
    engine = scene.cuda()
    expected = scene.step(engine)[1]
    with ThreadPoolExecutor(1) as pool:
        assert torch.equal(pool.submit(scene.step, engine).result()[1], expected)


@pytest.mark.gpu
def test_every_card_computes_and_the_current_device_stays(card: CudaGpu) -> None:
    before = torch.cuda.current_device()
    usable = [i for i in range(torch.cuda.device_count()) if torch.cuda.get_device_capability(i) >= compiler.OLDEST]
    assert card.torch_device.index == usable[0]
    expected = scene_on(card)
    for index in usable:
        other = find_gpu(index)
        assert other.torch_device == torch.device("cuda", index)
        assert torch.allclose(scene_on(other), expected, rtol=1e-5, atol=1e-5)
        assert torch.cuda.current_device() == before


def scene_on(gpu: Gpu) -> Tensor:
    scene = Scene(gpu, textured=False)
    return scene.step(scene.cuda())[1].cpu()


@pytest.mark.gpu
@pytest.mark.parametrize(("count", "size"), [(100, (240, 320)), (2000, (512, 512)), (20_000, (1024, 2048))])
def test_a_fit_takes_no_more_memory_than_the_estimate(card: CudaGpu, count: int, size: tuple[int, int]) -> None:
    templates = fit_stamps(FitCase())
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(card.torch_device)
    torch.cuda.reset_peak_memory_stats(card.torch_device)
    fit(picture(*size), templates, Settings(count=count, iterations=12, engine=str(card.torch_device)))
    taken = torch.cuda.max_memory_allocated(card.torch_device) - before
    assert taken < memory.estimate(count, *size, memory.Stamps.of(templates))


@pytest.mark.gpu
def test_the_doctor_finds_every_card_sound(card: CudaGpu) -> None:
    findings = doctor.examine()
    assert doctor.is_sound(findings), doctor.explain(findings)
    assert any(engine["name"] == str(card.torch_device) and engine["works"] for engine in findings["engines"])
