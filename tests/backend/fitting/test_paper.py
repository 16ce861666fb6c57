"""The recipe `paper`: its start, its stamps, its optimizer against Adam written out, and targets with alpha."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from backend.engines.light import decode
from backend.engines.rasterizers import make_rasterizer
from backend.engines.tensors import Placement
from backend.fitting.goal import Goal
from backend.fitting.paper import PAPER, PAPER_CLEAR, PaperOptimizer, PaperRecipe, paper_recipe, prune
from backend.fitting.paper.objective import PaperObjective
from backend.fitting.paper.stamps import blurred_templates, paper_levels
from backend.fitting.paper.start import PaperStart, sample
from backend.native.arrays import FloatArray
from backend.templates import Template, Templates

HEIGHT, WIDTH = 384, 512


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def disc(width: int = 64, height: int = 64) -> Template:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    rgba = np.zeros((height, width, 4), np.uint8)
    rgba[..., 3] = 255 * (x**2 + y**2 < 0.8)
    return Template("disc", rgba)


def half_busy() -> FloatArray:
    """Gray on the left, a chequerboard on the right: [3, HEIGHT, WIDTH]."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    busy = (rows // 3 + columns // 3) % 2
    return np.stack([np.where(columns < WIDTH // 2, 0.5, busy).astype(np.float32)] * 3)


def some(count: int = 6) -> Tensor:
    """Params [N, 9] in the middle of the canvas."""
    params = torch.rand(count, 9, generator=generator(5)) * 0.8 + 0.1
    params[:, :2] = params[:, :2] * 100 + 100
    params[:, 2] = params[:, 2] * 30 + 5
    return params


def make(params: Tensor, recipe: PaperRecipe = PAPER, linear: bool = False) -> PaperOptimizer:
    return PaperOptimizer(params, recipe, HEIGHT, WIDTH, linear=linear)


# --- the start ---


def test_the_start_has_the_published_distribution() -> None:
    primitives = PaperStart(half_busy(), 600, generator()).primitives(Templates([disc(), disc(), disc()]))
    x, _, scale, aspect, rotation, opacity = primitives.params.T[:6]
    right = x > WIDTH / 2 + 4
    # Ten times as dense where the variance is greatest.
    assert 0.85 < right.mean() < 0.97
    assert np.median(scale[right]) < 12 < 40 < np.median(scale[~right])
    assert scale.min() >= 2
    assert scale.max() <= 50
    assert (aspect == 1).all()
    assert rotation.std() == pytest.approx(2 * math.pi / math.sqrt(12), rel=0.1)
    assert np.allclose(opacity, 1 / (1 + math.exp(2.0)))
    # The most detailed in front; templates by turns, the first one at the back.
    assert x[:300].min() > WIDTH / 2 - 4
    assert x[-20:].max() < WIDTH / 2
    assert primitives.template[-4:].tolist() == [0, 2, 1, 0]


def test_colors_start_as_if_they_were_logits() -> None:
    start = PaperStart(np.full((3, HEIGHT, WIDTH), 0.3, np.float32), 400, generator()).primitives(Templates([disc()]))
    value = np.log(start.params[:, 6:] / (1 - start.params[:, 6:]))
    assert value.mean() == pytest.approx(0.3, abs=0.003)
    assert value.std() == pytest.approx(0.02, rel=0.1)


def test_a_larger_canvas_starts_with_the_same_picture() -> None:
    """Twice as large, everything is twice as large."""
    templates = Templates([disc()])
    target = half_busy()
    small = PaperStart(target, 500, generator()).primitives(templates).params
    doubled = target.repeat(2, 1).repeat(2, 2)
    large = PaperStart(doubled, 500, generator()).primitives(templates).params
    assert float(large[:, 2].mean() / small[:, 2].mean()) == pytest.approx(2.0, rel=0.1)
    assert float(large[:, 0].mean() / small[:, 0].mean()) == pytest.approx(2.0, rel=0.1)


def test_nothing_starts_where_the_weight_is_zero() -> None:
    weight = np.zeros((HEIGHT, WIDTH), np.float32)
    weight[:, :200] = 1.0
    assert PaperStart(half_busy(), 300, generator(), weight).primitives(Templates([disc()])).params[:, 0].max() <= 200


@pytest.mark.parametrize("shape", [(1, 1), (2, 90), (9, 9)])
def test_any_target_has_a_start(shape: tuple[int, int]) -> None:
    target = np.zeros((3, *shape), np.float32)
    params = torch.from_numpy(PaperStart(target, 50, generator()).primitives(Templates([disc()])).params)
    assert torch.isfinite(params).all()
    assert torch.isfinite(PaperOptimizer(params, PAPER, *shape).params).all()


def test_no_pixel_is_drawn_twice_before_all_are() -> None:
    density = torch.tensor([0.0, 1.0, 5.0, 1.0, 0.5, 0.0])
    assert sorted(sample(density, 4, generator()).tolist()) == [1, 2, 3, 4]
    assert sorted(sample(density, 8, generator()).tolist()) == [1, 1, 2, 2, 3, 3, 4, 4]
    first = torch.cat([sample(density, 1, generator(seed)) for seed in range(300)])
    assert float((first == 2).float().mean()) == pytest.approx(5 / 7.5, abs=0.08)


# --- the optimizer ---


def adam_by_hand(params: Tensor, gradients: list[Tensor], count: int) -> Tensor:
    """Params after the gradients of the mean loss, in float64, as torch's own Adam takes them."""
    variables = params.double()
    variables[:, 5:] = variables[:, 5:].logit()
    rates = torch.tensor([1, 1, 1, 0, 0.1, 0.15 * 1000 / count, 0.1, 0.1, 0.1]).double()
    first = second = torch.zeros_like(variables)
    for step, gradient in enumerate(gradients, 1):
        values = variables.clone()
        values[:, 5:] = values[:, 5:].sigmoid()
        slope = torch.ones_like(values)
        slope[:, 5:] = values[:, 5:] * (1 - values[:, 5:])
        pulled = gradient.double() * slope
        first, second = 0.9 * first + 0.1 * pulled, 0.999 * second + 0.001 * pulled**2
        size = (second / (1 - 0.999**step)).sqrt() + 1e-8
        variables = variables - rates * 0.99 ** (step - 1) * (first / (1 - 0.9**step)) / size
    variables[:, 5:] = variables[:, 5:].sigmoid()
    return variables


@pytest.mark.parametrize("steps", [1, 4])
def test_steps_as_written_out(steps: int) -> None:
    count = 200
    # Of the size of epsilon too, so that its place matters.
    gradients = [torch.randn(count, 9, generator=generator(step)) * 3e-8 for step in range(steps)]
    optimizer = make(some(count))
    for gradient in gradients:
        optimizer.step(gradient * count)
    wanted = adam_by_hand(some(count), gradients, count)
    assert torch.allclose(optimizer.params.double(), wanted, rtol=1e-5, atol=1e-5)
    assert (wanted - some(count)).abs().amax(0)[[0, 2, 4, 5, 6]].min() > 1e-3


def test_in_linear_light_colors_are_still_encoded_logits() -> None:
    plain, linear = make(some()), make(some(), linear=True)
    assert torch.allclose(linear.params[:, 6:], decode(some()[:, 6:]), atol=1e-5)
    gradient = torch.randn(6, 9, generator=generator(1))
    encoded = some()[:, 6:].requires_grad_()
    (slope,) = torch.autograd.grad(decode(encoded).sum(), encoded)
    chained = gradient.clone()
    chained[:, 6:] *= slope
    linear.step(gradient)
    plain.step(chained)
    assert torch.allclose(linear.encoded, plain.encoded, atol=1e-6)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_centers_and_scales_stay_in_their_limits(sign: float) -> None:
    optimizer = make(some())
    # The sum of all rates is a hundred: begun from twenty px inside.
    optimizer.replace(torch.arange(6), torch.cat([torch.full((6, 2), 20.0), some()[:, 2:]], 1))
    if sign < 0:
        far = torch.tensor([WIDTH - 20.0, HEIGHT - 20.0, 90.0]).repeat(6, 1)
        optimizer.replace(torch.arange(6), torch.cat([far, some()[:, 3:]], 1))
    for _ in range(80):
        optimizer.step(torch.full((6, 9), sign))
    end = [0.5, 0.5, 2.0] if sign > 0 else [WIDTH - 0.5, HEIGHT - 0.5, 96.0]
    assert torch.equal(optimizer.params[:, :3], torch.tensor(end).expand(6, 3))


def test_locked_primitives_keep_every_bit() -> None:
    locked = torch.tensor([True, False, False, True, False, False])
    optimizer = PaperOptimizer(some(), PAPER, HEIGHT, WIDTH, locked=locked)
    optimizer.step(torch.ones(6, 9))
    assert torch.equal(optimizer.encoded[locked], some()[locked])
    assert (optimizer.encoded[~locked, :3] != some()[~locked, :3]).all()


# --- primitives that start anew ---


def test_faint_primitives_start_anew_without_memory() -> None:
    start = PaperStart(half_busy(), 6, generator())
    params = some()
    params[:, 5] = torch.tensor([0.9, 0.1, 0.9, 0.2, 0.9, 0.9])
    faint = params[:, 5] < 0.3
    optimizer, fresh = make(params, PAPER_CLEAR), make(params, PAPER_CLEAR)
    for step in (1, 199, 225, 260):
        prune(optimizer, start, PAPER_CLEAR, step, 300)
        assert torch.equal(optimizer.params, fresh.params)
    optimizer.step(torch.zeros(6, 9))
    before = optimizer.params
    prune(optimizer, start, PAPER_CLEAR, 300, 300)
    prune(optimizer, start, PAPER, 200, 300)
    assert torch.equal(optimizer.params, before)
    prune(optimizer, start, PAPER_CLEAR, 200, 300)
    assert torch.equal(optimizer.params[~faint], before[~faint])
    assert torch.allclose(optimizer.params[faint, 5], torch.sigmoid(torch.tensor(-2.0)))
    assert optimizer.params[faint, 2].max() <= 25
    # A first step again: as long as the rate says, whatever the gradient.
    before = optimizer.params
    optimizer.step(torch.full((6, 9), 0.01))
    assert torch.allclose((before - optimizer.params)[faint, 4], torch.tensor(0.1 * 0.99), atol=1e-4)


def test_each_time_they_start_half_as_large() -> None:
    flat = np.full((3, HEIGHT, WIDTH), 0.5, np.float32)
    start = PaperStart(flat, 300, generator())
    for halvings in (1, 2, 3):
        scale = start.again(300, halvings)[:, 2]
        assert scale.max() == pytest.approx(50 * 0.5**halvings)
        # Half of the noise is cut off at the largest.
        assert (scale == scale.max()).float().mean() == pytest.approx(0.5, abs=0.1)


def test_locked_primitives_do_not_start_anew() -> None:
    locked = torch.tensor([True, False, False, False, False, False])
    params = some()
    params[:, 5] = 0.1
    optimizer = PaperOptimizer(params, PAPER_CLEAR, HEIGHT, WIDTH, locked=locked)
    prune(optimizer, PaperStart(half_busy(), 6, generator()), PAPER_CLEAR, 200, 300)
    assert torch.equal(optimizer.encoded[0], params[0])
    assert (optimizer.encoded[1:, 0] != params[1:, 0]).all()


# --- the stamps ---


def test_a_dot_becomes_a_gaussian() -> None:
    rgba = np.zeros((128, 128, 4), np.uint8)
    rgba[60, 70] = 255
    result = blurred_templates(Templates([Template("dot", rgba)])).items[0].rgba
    offsets = np.mgrid[-3:4, -3:4]
    bell = np.exp(-0.5 * (offsets**2).sum(0))
    assert np.abs(result[57:64, 67:74, 3] - 255 * bell / bell.sum()).max() <= 0.5
    assert np.count_nonzero(result[..., 3]) <= 49


def test_stamps_are_those_of_128_texels_and_may_blur_across_their_shorter_side() -> None:
    templates = Templates([disc(128, 128), disc(500, 100), disc(30, 40), disc(512, 2)])
    assert paper_levels(templates).tolist() == [[0, 0], [4, 4], [0, 0], [4, 2]]
    blurred = blurred_templates(templates)
    assert [item.rgba.shape[:2] for item in blurred.items] == [(128, 128), (31, 125), (40, 32), (7, 128)]
    assert blurred.longer_side.tolist() == [128, 125, 40, 128]
    # What it covers stays.
    for index in (0, 1):
        assert float(blurred.coverage[index] / templates.coverage[index]) == pytest.approx(1.0, rel=0.02)


# --- the objective ---


def objective(weight: FloatArray | None, linear: bool = False) -> tuple[PaperObjective, Tensor, Placement]:
    """On a canvas of 24 x 32 px, with params [5, 9] and their placement."""
    target = torch.rand(3, 24, 32, generator=generator(3)).numpy()
    templates = Templates([disc()])
    space = "linear" if linear else "display"
    rasterizer = make_rasterizer("reference", blurred_templates(templates), 24, 32, space=space, dtype=torch.float64)
    params = torch.rand(5, 9, generator=generator(4)) * 0.6 + 0.2
    params[:, :3] *= torch.tensor([32.0, 24.0, 12.0])
    params[:, 3] = 1.0
    placement = Placement(torch.zeros(5).long(), torch.zeros(5, 2).long(), torch.zeros(5).bool())
    recipe = paper_recipe(weight)
    return PaperObjective(rasterizer, Goal(target, weight), 5, 0, recipe, linear=linear), params, placement


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("clear", [False, True])
def test_the_gradient_is_that_of_the_loss_times_n(clear: bool, linear: bool) -> None:
    weight = np.ones((24, 32), np.float32)
    weight[:, 20:] = 0.0 if clear else 0.5
    _, params, placement = objective(weight, linear)
    _, gradient = objective(weight, linear)[0](params, placement)
    step = 1e-3
    for column in (0, 2, 5, 7):
        moved = params.clone().double()
        moved[2, column] += step
        # Anew each time, so that the noise is the same.
        above = objective(weight, linear)[0](moved, placement)[0].item()
        moved[2, column] -= 2 * step
        below = objective(weight, linear)[0](moved, placement)[0].item()
        assert float(gradient[2, column]) == pytest.approx(5 * (above - below) / (2 * step), rel=0.02, abs=1e-4)


def test_the_outside_of_a_target_with_alpha_stays_clear() -> None:
    target = np.full((3, 64, 64), 0.2, np.float32)
    weight = np.zeros((64, 64), np.float32)
    weight[12:52, 12:52] = 1.0
    templates = Templates([disc()])
    start = PaperStart(target, 150, generator(), weight)
    primitives = start.primitives(templates)
    recipe = paper_recipe(weight)
    assert recipe == PAPER_CLEAR
    assert paper_recipe(np.ones((2, 2), np.float32)) == paper_recipe(None) == PAPER
    optimizer = PaperOptimizer(torch.from_numpy(primitives.params), recipe, 64, 64)
    rasterizer = make_rasterizer("auto", blurred_templates(templates), 64, 64, threads=1)
    descend = PaperObjective(rasterizer, Goal(target, weight), 150, 1, recipe)
    stamp, mirror = torch.from_numpy(primitives.template), torch.from_numpy(primitives.mirror)
    placement = Placement(stamp, torch.zeros(150, 2).long(), mirror)
    losses = []
    for step in range(250):
        loss, gradient = descend(optimizer.params, placement)
        optimizer.step(gradient)
        prune(optimizer, start, recipe, step + 1, 250)
        losses.append(loss)
    alpha = rasterizer.forward(optimizer.params, placement, torch.zeros(3, 64, 64))[1].numpy()
    assert losses[-1] < 0.1 * losses[0]
    assert alpha[weight > 0].mean() > 0.95
    assert alpha[weight == 0].mean() < 0.06
