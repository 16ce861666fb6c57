"""The CPU engine against the reference in float64 on the same 8-bit levels, with random cotangents."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.engines.interface import PARAMETERS
from backend.engines.rasterizers import make_rasterizer
from backend.engines.reference import ReferenceRasterizer
from backend.engines.tensors import CpuRasterizer, Placement
from backend.job import UserError
from backend.native import library
from backend.templates import Template, Templates
from tests.backend.engines.support.levels import choose_levels
from tests.backend.support.pictures import block, soft_disc

# Observed at most 1.3e-6 in 120 random scenes: an alpha near 1 is rounded by 6e-8, and a pixel has about 20.
IMAGE_TOLERANCE = 4e-6
# Greatest error over greatest gradient, per parameter. Observed in 120 random scenes: median
# 1e-7 to 9e-7; one scene has a sample 6e-7 texels from the border of a texel, where the slope jumps: 2e-3.
GRADIENT_TOLERANCE = 1e-5

BEST = library.best_level()
LEVELS = list(range(2, BEST + 1)) if BEST else [None]


def test_the_variant_can_be_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, level in library.LEVELS.items():
        monkeypatch.setenv("DIFFBMP_ISA", name)
        if level <= BEST:
            assert library.load()[1] == library.NAMES[level]
        else:
            with pytest.raises(UserError, match=f"DIFFBMP_ISA is {name}, but this processor has "):
                library.load()
        if BEST:
            assert library.load(2)[1] == "SSE4"
    monkeypatch.setenv("DIFFBMP_ISA", "mmx")
    with pytest.raises(UserError, match="DIFFBMP_ISA is mmx, but this processor has "):
        library.load()


def soft_stamps() -> Templates:
    """A disc, tinted and in both textured modes, not square, with a hard and a soft edge."""
    rgba = soft_disc(96, 128, edge=8, slope=2)
    return Templates(
        [
            Template("flat", rgba),
            Template("multiply", rgba, "multiply", 0.7),
            Template("mix", rgba, "mix", 0.4),
            block(20, 6, "narrow"),
        ]
    )


def scene(templates: Templates, count: int, height: int, width: int, seed: int = 0) -> tuple[Tensor, Placement, Tensor]:
    """Makes params, placement and background of a random scene; some primitives are off the canvas."""
    random = torch.Generator().manual_seed(seed)
    params = torch.rand(count, len(PARAMETERS), generator=random)
    params[:, 0] = params[:, 0] * (width + 30) - 15
    params[:, 1] = params[:, 1] * (height + 30) - 15
    params[:, 2] = 3 + 20 * params[:, 2]
    params[:, 3] = 0.5 + 1.5 * params[:, 3]
    params[:, 4] = 7 * params[:, 4] - 3.5
    template = torch.randint(0, len(templates), (count,), generator=random)
    level = choose_levels(templates, template, params[:, 2], params[:, 3])
    mirror = torch.rand(count, generator=random) < 0.5
    return params, Placement(template, level, mirror), torch.rand(3, height, width, generator=random)


def worst(found: Tensor, truth: Tensor) -> Tensor:
    """The greatest error over the greatest gradient, per parameter: [9]."""
    return (found - truth).abs().amax(0) / truth.abs().amax(0)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("space", ["display", "linear"])
@pytest.mark.parametrize("level", LEVELS)
def test_cpu_engine_matches_the_reference(level: int | None, space: str, seed: int) -> None:
    templates, (height, width) = soft_stamps(), (90, 101)
    params, placement, background = scene(templates, 80, height, width, seed)
    random = torch.Generator().manual_seed(1000 + seed)
    grad_image = torch.randn(3, height, width, generator=random)
    grad_alpha = torch.randn(height, width, generator=random)
    target, weight = torch.rand(3, height, width, generator=random), torch.rand(height, width, generator=random)
    engine = CpuRasterizer(templates, height, width, space=space, instructions=level)
    truth = ReferenceRasterizer(templates, height, width, space=space, threads=1, dtype=torch.float64)

    image, alpha = engine.forward(params, placement, background)
    true_image, true_alpha = truth.forward(params, placement, background)
    assert (image - true_image).abs().max() < IMAGE_TOLERANCE
    assert (alpha - true_alpha).abs().max() < IMAGE_TOLERANCE

    for cotangent in (grad_alpha, None):
        gradient = engine.backward(params, placement, background, grad_image, cotangent)
        true_gradient = truth.backward(params, placement, background, grad_image, cotangent)
        assert worst(gradient, true_gradient).max() < GRADIENT_TOLERANCE

    for loss in ("mse", "l1"):
        value, gradient = engine.step(params, placement, background, target, weight, loss)
        true_value, true_gradient = truth.step(params, placement, background, target, weight, loss)
        assert value.item() == pytest.approx(true_value.item(), rel=1e-6)  # observed 2e-8
        assert worst(gradient, true_gradient).max() < GRADIENT_TOLERANCE


def test_fused_step_matches_forward_and_backward() -> None:
    templates = soft_stamps()
    params, placement, background = scene(templates, 60, 64, 70)
    random = torch.Generator().manual_seed(1)
    target, weight = torch.rand(3, 64, 70, generator=random), torch.rand(64, 70, generator=random)
    engine = CpuRasterizer(templates, 64, 70)
    value, fused = engine.step(params, placement, background, target, weight)
    image, _ = engine.forward(params, placement, background)
    error = image - target
    assert value.item() == pytest.approx((weight * error**2).sum().item(), rel=1e-6)
    gradient = engine.backward(params, placement, background, 2 * weight * error)
    # Observed 1e-7: the same sums, with one more rounding of the cotangent.
    assert worst(fused, gradient).max() < 1e-6


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_results_are_bit_identical_for_any_number_of_threads(threads: int) -> None:
    templates = soft_stamps()
    params, placement, background = scene(templates, 300, 130, 150)
    random = torch.Generator().manual_seed(1)
    target, weight = torch.rand(3, 130, 150, generator=random), torch.rand(130, 150, generator=random)
    results = [
        CpuRasterizer(templates, 130, 150, threads=n).step(params, placement, background, target, weight)
        for n in (1, threads)
    ]
    assert results[0][0] == results[1][0]
    assert torch.equal(results[0][1], results[1][1])


def test_gradients_match_finite_differences() -> None:
    """Finite differences of the CPU engine itself, with smooth stamps and steps far above its rounding."""
    y, x = np.mgrid[-1:1:24j, -1:1:24j]
    alpha = 255 * np.exp(-4 * (x**2 + y**2))
    texture = np.dstack([128 + 100 * x, 128 + 100 * y, 128 - 100 * x])
    templates = Templates([Template("blob", np.dstack([texture, alpha]).astype(np.uint8), "multiply", 0.5)])
    random = torch.Generator().manual_seed(4)
    params = torch.rand(6, 9, generator=random)
    params[:, :2] = 15 + 34 * params[:, :2]
    params[:, 2] = 14 + 8 * params[:, 2]
    params[:, 3] = 0.8 + 0.5 * params[:, 3]
    template = torch.zeros(6, dtype=torch.int64)
    placement = Placement(template, torch.zeros(6, 2, dtype=torch.int64), template == 1)
    ramp = torch.linspace(0, 1, 64)
    background, target = ramp.expand(3, 64, 64), ramp[:, None].expand(3, 64, 64)
    weight = torch.ones(64, 64)
    engine = CpuRasterizer(templates, 64, 64)
    gradient = engine.step(params, placement, background, target, weight)[1]
    steps = [0.02, 0.02, 0.02, 0.002, 0.002, 0.01, 0.01, 0.01, 0.01]
    for column, step in enumerate(steps):
        values = []
        for sign in (1, -1):
            moved = params.clone()
            moved[:, column] = params[:, column]
            moved[2, column] += sign * step
            values.append(engine.step(moved, placement, background, target, weight)[0].item())
        slope = (values[0] - values[1]) / (2 * step)
        error = abs(slope - gradient[2, column]).item() / gradient[:, column].abs().max().item()
        # Observed 6e-4, rotation 5e-3: bilinear interpolation has kinks, some within the step.
        assert error < 1e-2


@pytest.mark.parametrize("engine", ["cpu", "reference"])
class TestEdges:
    def test_nothing_to_draw(self, engine: str) -> None:
        templates = soft_stamps()
        params, placement, background = scene(templates, 0, 20, 33)
        rasterizer = make_rasterizer(engine, templates, 20, 33)
        image, alpha = rasterizer.forward(params, placement, background)
        assert torch.equal(image, background)
        assert not alpha.any()
        value, gradient = rasterizer.step(
            params, placement, background, torch.zeros_like(background), torch.ones(20, 33)
        )
        assert value.item() == pytest.approx(background.square().sum().item(), rel=1e-5)
        assert gradient.shape == (0, 9)

    def test_off_the_canvas_and_without_opacity(self, engine: str) -> None:
        templates = soft_stamps()
        params, placement, background = scene(templates, 4, 40, 40)
        params[:2, 0] = 1e7
        params[2:, 5] = 0
        rasterizer = make_rasterizer(engine, templates, 40, 40)
        image, _ = rasterizer.forward(params, placement, background)
        assert torch.equal(image, background)
        gradient = rasterizer.backward(params, placement, background, torch.ones(3, 40, 40))
        assert torch.isfinite(gradient).all()
        assert not gradient[:2].any()

    def test_canvas_of_one_pixel(self, engine: str) -> None:
        templates = Templates([block(1, 1)])
        params = torch.tensor([[0.5, 0.5, 4.0, 1.0, 0.3, 0.5, 1.0, 0.0, 0.0]])
        placement = Placement(torch.tensor([0]), torch.tensor([[0, 0]]), torch.tensor([False]))
        rasterizer = make_rasterizer(engine, templates, 1, 1)
        image, alpha = rasterizer.forward(params, placement, torch.zeros(3, 1, 1))
        assert image[:, 0, 0].tolist() == pytest.approx([0.5, 0, 0])
        assert alpha.item() == pytest.approx(0.5)

    def test_index_0_is_in_front(self, engine: str) -> None:
        templates = Templates([block(9, 9)])
        params = torch.tensor([[8.0, 8, 9, 1, 0, 1, 1, 0, 0], [8.0, 8, 9, 1, 0, 1, 0, 1, 0]])
        placement = Placement(
            torch.zeros(2, dtype=torch.int64), torch.zeros(2, 2, dtype=torch.int64), torch.zeros(2) > 0
        )
        image, _ = make_rasterizer(engine, templates, 16, 16).forward(params, placement, torch.zeros(3, 16, 16))
        assert image[:, 8, 8].tolist() == pytest.approx([1, 0, 0])

    def test_rotation_is_clockwise_and_mirror_flips_left_to_right(self, engine: str) -> None:
        """A mark on the right is below after a quarter turn, and on the left if mirrored."""
        bitmap = np.zeros((16, 16, 4), np.uint8)
        bitmap[6:10, 11:15] = 255
        templates = Templates([Template("mark", bitmap)])
        params = torch.tensor([[16.0, 16, 16, 1, 0, 1, 1, 1, 1]])
        rasterizer = make_rasterizer(engine, templates, 32, 32)

        def center(rotation: float, mirror: bool) -> tuple[float, float]:
            params[0, 4] = rotation
            placement = Placement(torch.tensor([0]), torch.tensor([[0, 0]]), torch.tensor([mirror]))
            alpha = rasterizer.forward(params, placement, torch.zeros(3, 32, 32))[1].double()
            pixels = torch.arange(32, dtype=torch.float64) + 0.5
            total = alpha.sum()
            return ((alpha.sum(0) * pixels).sum() / total).item(), ((alpha.sum(1) * pixels).sum() / total).item()

        assert center(0, False) == pytest.approx((26, 16), abs=1e-4)
        assert center(torch.pi / 2, False) == pytest.approx((16, 26), abs=1e-4)
        assert center(0, True) == pytest.approx((6, 16), abs=1e-4)

    @pytest.mark.parametrize("offset", [-0.01, 0.0, 0.01])
    def test_primitives_at_a_tile_border(self, engine: str, offset: float) -> None:
        """The picture moves with the primitive across tiles."""
        templates = soft_stamps()
        placement = Placement(torch.tensor([0]), torch.tensor([[8, 8]]), torch.tensor([False]))
        params = torch.tensor([[40.3, 40.7, 4.0, 1.0, 0.7, 0.9, 1.0, 1.0, 1.0]])
        rasterizer = make_rasterizer(engine, templates, 96, 96)
        expected = rasterizer.forward(params, placement, torch.zeros(3, 96, 96))[1][30:50, 30:50]
        for shift in range(-8, 9):
            moved = params.clone()
            moved[0, :2] += shift
            alpha = rasterizer.forward(moved, placement, torch.zeros(3, 96, 96))[1]
            found = alpha[30 + shift : 50 + shift, 30 + shift : 50 + shift]
            # Rounding 40 px in float32 moves a sample by 4e-6 px; at a slope of 0.3 per px this is 1e-6.
            assert torch.allclose(found, expected, atol=4e-6)
            assert alpha.sum() == pytest.approx(expected.sum().item(), rel=1e-5)

    def test_many_primitives_on_one_tile(self, engine: str) -> None:
        templates = Templates([block(4, 4)])
        count = 3000
        params = torch.tensor([[4.0, 4, 6, 1, 0, 0.001, 1, 1, 1]]).repeat(count, 1)
        placement = Placement(torch.zeros(count).long(), torch.zeros(count, 2).long(), torch.zeros(count) > 0)
        image, _ = make_rasterizer(engine, templates, 8, 8).forward(params, placement, torch.zeros(3, 8, 8))
        # 3000 roundings of the transmittance by 6e-8 in the same direction: observed 1e-5.
        assert image[0, 4, 4].item() == pytest.approx(1 - 0.999**count, abs=2e-5)


def test_nan_is_not_drawn() -> None:
    templates = soft_stamps()
    params, placement, background = scene(templates, 20, 40, 40)
    clean = CpuRasterizer(templates, 40, 40)
    expected, _ = clean.forward(params[1:], Placement(*(t[1:] for t in vars(placement).values())), background)
    params[0, 0] = torch.nan
    image, _ = clean.forward(params, placement, background)
    assert torch.equal(image, expected)


@pytest.mark.parametrize("engine", ["cpu", "reference"])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        *itertools.product(["scale", "aspect"], [0.0, -2.0, 1e-38, torch.inf, torch.nan]),
        *itertools.product(["rotation"], [torch.inf, torch.nan]),
    ],
)
def test_primitives_without_size_are_not_drawn(engine: str, column: str, value: float) -> None:
    """It has a zero gradient and does not change the others."""
    templates = soft_stamps()
    params, placement, background = scene(templates, 20, 40, 40)
    rest = Placement(*(t[1:] for t in vars(placement).values()))
    params[0, :2] = 20.5
    params[0, PARAMETERS.index(column)] = value
    rasterizer = make_rasterizer(engine, templates, 40, 40)
    image, alpha = rasterizer.forward(params, placement, background)
    expected, expected_alpha = rasterizer.forward(params[1:], rest, background)
    assert torch.equal(image, expected)
    assert torch.equal(alpha, expected_alpha)
    cotangent = torch.ones(3, 40, 40)
    gradient = rasterizer.backward(params, placement, background, cotangent)
    assert not gradient[0].any()
    assert torch.allclose(gradient[1:], rasterizer.backward(params[1:], rest, background, cotangent))


def test_any_float_type_is_accepted() -> None:
    """Double and half precision are converted; PyTorch's default type has no effect."""
    templates = soft_stamps()
    params, placement, background = scene(templates, 20, 40, 40)
    target, weight = torch.rand(3, 40, 40), torch.rand(40, 40)
    rasterizer = CpuRasterizer(templates, 40, 40)
    image, _ = rasterizer.forward(params, placement, background)
    loss, gradient = rasterizer.step(params, placement, background, target, weight)
    try:
        torch.set_default_dtype(torch.float64)
        same, _ = rasterizer.forward(params.double(), placement, background.double())
        same_loss, same_gradient = rasterizer.step(
            params.double(), placement, background.double(), target.double(), weight.double()
        )
    finally:
        torch.set_default_dtype(torch.float32)
    assert same.dtype == torch.float32
    assert torch.equal(image, same)
    assert loss == same_loss
    assert torch.equal(gradient, same_gradient)


def test_transparent_level_is_not_drawn() -> None:
    bitmap = np.zeros((64, 64, 4), np.uint8)
    bitmap[0, 0] = (255, 255, 255, 3)
    templates = Templates([Template("speck", bitmap)])
    level = choose_levels(templates, torch.tensor([0]), torch.tensor([2.0]), torch.tensor([1.0]))
    assert not templates.bitmap(0, *level[0].tolist())[..., 3].any()
    placement = Placement(torch.tensor([0]), level, torch.tensor([False]))
    params = torch.tensor([[8.0, 8, 2, 1, 0, 1, 1, 1, 1]])
    image, _ = CpuRasterizer(templates, 16, 16).forward(params, placement, torch.zeros(3, 16, 16))
    assert not image.any()


def test_unknown_engine_and_missing_library_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="engine is 'gpu'"):
        make_rasterizer("gpu", soft_stamps(), 8, 8)
    monkeypatch.setattr(library, "library_file", lambda *_: "nowhere.so")
    with pytest.raises(UserError, match=r"nowhere\.so") as caught:
        make_rasterizer("cpu", soft_stamps(), 8, 8)
    assert caught.value.action == "install"
