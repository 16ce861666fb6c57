"""Losses of the image: their values, against autograd and finite differences, and what combining them promises."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck
from torch.nn.functional import interpolate

from backend.engines.light import encode
from backend.job import UserError
from backend.losses import LOSSES, regularized
from backend.losses.combination import PREPARED, Combination, encoded_pixel_loss
from backend.losses.perceptual import WEIGHTS, build_features, feature_loss, load_features
from backend.losses.structure import ms_ssim, ssim
from backend.metrics import picture

# The perceptual loss needs a network's weights: it has tests of its own.
IMAGE_LOSSES = [name for name, kind in LOSSES.items() if kind.of == "image" and name != "perceptual"]
SIZES = [(26, 31), (13, 12), (7, 5), (1, 3), (1, 1)]


def pictures(height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A picture and one that is somewhat like it, in double precision."""
    generator = torch.Generator().manual_seed(seed)
    target, noise = torch.rand(2, 3, height, width, generator=generator, dtype=torch.float64)
    return target, (0.6 * target + 0.4 * noise)


def even(target: Tensor) -> Tensor:
    return torch.full_like(target[0], 1.0 / target[0].numel())


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_is_least_at_the_target(name: str, size: tuple[int, int]) -> None:
    target, image = pictures(*size)
    loss = PREPARED[name](target, even(target))
    assert loss(target).item() == pytest.approx(0.0, abs=1e-9)
    if min(size) > 1:  # a pixel may be alike by chance, and has no edges
        assert loss(image).item() > 1e-4


@pytest.mark.parametrize("size", [(26, 31), (9, 6)])
@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_gradient(name: str, size: tuple[int, int]) -> None:
    target, image = pictures(*size)
    weight = torch.rand(size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    loss = PREPARED[name](target, weight / weight.sum())
    # In random directions, which is as strict and much faster than pixel by pixel.
    assert gradcheck(loss, image.requires_grad_(), fast_mode=True)


@pytest.mark.parametrize("name", [*IMAGE_LOSSES, "alpha"])
def test_does_not_grow_with_the_canvas(name: str) -> None:
    """Repeating a picture changes little: only the borders between the copies are new."""
    target, image = pictures(64, 64)
    if name == "alpha":
        target, image = target[0], image[0]
    weight = torch.ones(64, 64, dtype=torch.float64)
    small = PREPARED[name](target, weight / weight.numel())(image)
    repeats = (1,) * (target.ndim - 2) + (3, 3)
    weight = weight.repeat(3, 3)
    large = PREPARED[name](target.repeat(repeats), weight / weight.numel())(image.repeat(repeats))
    # Small pictures have fewer scales of multi-scale SSIM.
    assert large.item() == pytest.approx(small.item(), rel=0.6 if name == "ms_ssim" else 0.05)


def test_pixel_losses_are_the_means_that_they_say() -> None:
    target, image = pictures(6, 8)
    error = (image - target).abs()
    weight = even(target)
    assert PREPARED["mse"](target, weight)(image).item() == pytest.approx(error.square().mean().item())
    assert PREPARED["l1"](target, weight)(image).item() == pytest.approx(error.mean().item())
    huber = torch.where(error < 0.1, error.square() / 2, 0.1 * (error - 0.05)).mean()
    assert PREPARED["huber"](target, weight)(image).item() == pytest.approx(huber.item())


@pytest.mark.parametrize("name", ["gray_mse", "gray_l1", "gray_huber"])
def test_gray_losses_do_not_see_colors(name: str) -> None:
    target, _ = pictures(6, 8)
    other = target + torch.tensor([0.1 / 0.299, -0.1 / 0.587, 0.0], dtype=torch.float64).reshape(3, 1, 1)
    assert PREPARED[name](target, even(target))(other).item() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("size", [(40, 33), (11, 20), (9, 14), (3, 2)])
@pytest.mark.parametrize("weighted", [False, True])
def test_ssim_is_what_is_reported(size: tuple[int, int], weighted: bool) -> None:
    target, image = (picture.float() for picture in pictures(*size))
    weight = torch.rand(size, generator=torch.Generator().manual_seed(2)) if weighted else torch.ones(size)
    expected = picture.ssim(image.numpy(), target.numpy(), weight.numpy())
    assert 1.0 - ssim(target, weight / weight.sum())(image).item() == pytest.approx(expected, abs=1e-5)


def test_ms_ssim_sees_coarse_forms() -> None:
    """Noise is on the finest scale alone, and blur spares the coarse ones; SSIM takes both for much worse."""
    generator = torch.Generator().manual_seed(0)
    target = interpolate(torch.rand(1, 3, 12, 12, generator=generator), (192, 192), mode="bilinear")[0]
    noisy = target + 0.1 * torch.randn(target.shape, generator=generator)
    weight = even(target)
    fine, many = ssim(target, weight)(noisy), ms_ssim(target, weight)(noisy)
    assert 0.0 < many < 0.5 * fine


def test_laplacian_counts_all_bands_alike() -> None:
    """A constant error is what remains, a chequered one the finest detail."""
    target = torch.full((3, 64, 64), 0.5)
    chequered = 1.0 - 2.0 * ((torch.arange(64)[:, None] + torch.arange(64)) % 2)
    loss = PREPARED["laplacian"](target, even(target))
    assert loss(target + 0.2).item() == pytest.approx(0.2 / 5)
    assert loss(target + 0.2 * chequered).item() == pytest.approx(0.2 / 5)


@pytest.mark.parametrize("name", [*IMAGE_LOSSES, "alpha"])
def test_combination_is_the_weighted_sum(name: str) -> None:
    target, image = pictures(26, 31)
    alpha = image[0]
    one = Combination({name: 1.0}, target).image_loss(image, alpha)
    both = Combination({name: 3.0, "mse": 0.5}, target).image_loss(image, alpha)
    mse = Combination({"mse": 1.0}, target).image_loss(image)
    expected = 3.5 * mse if name == "mse" else 3.0 * one + 0.5 * mse
    if name == "mse":
        both = Combination({name: 3.5}, target).image_loss(image)
    assert both.item() == pytest.approx(expected.item())


@pytest.mark.parametrize("name", IMAGE_LOSSES)
def test_pixels_of_no_weight_do_not_matter(name: str) -> None:
    target, image = pictures(26, 31)
    weight = torch.ones(26, 31, dtype=torch.float64)
    weight[8:20, 5:19] = 0.0
    combination = Combination({name: 1.0}, target, weight=weight)
    covered = torch.where(weight > 0, 1.0, 0.0)
    leaf = image.clone().requires_grad_()
    value = combination.image_loss(leaf, covered)
    value.backward()
    assert leaf.grad is not None
    assert not leaf.grad[:, weight <= 0].any()
    assert leaf.grad[:, weight > 0].any()
    # Where nothing should be, nothing must be, as much as a mean over the pixels that count.
    over = combination.image_loss(image, torch.ones_like(covered)) - value
    assert over.item() == pytest.approx(1 / 6 * 12 * 14 / float(weight.sum()))


def test_weight_map_shifts_what_counts() -> None:
    target, image = pictures(20, 20)
    image[:, :, 10:] = target[:, :, 10:]
    weight = torch.ones(20, 20, dtype=torch.float64)
    before = Combination({"mse": 1.0}, target, weight=weight).image_loss(image)
    weight[:, :10] = 3.0
    after = Combination({"mse": 1.0}, target, weight=weight).image_loss(image)
    assert after.item() == pytest.approx(1.5 * before.item())


def test_alpha_aims_at_the_weight_or_the_targets_own() -> None:
    target, image = pictures(10, 10)
    weight = torch.ones(10, 10, dtype=torch.float64)
    weight[:5] = 0.0
    own = torch.rand(10, 10, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert Combination({"alpha": 1.0}, target, weight=weight).image_loss(image, (weight > 0).double()).item() == 0.0
    assert Combination({"alpha": 1.0}, target, alpha=own).image_loss(image, own).item() == 0.0
    assert Combination({"alpha": 1.0}, target).image_loss(image, torch.zeros_like(own)).item() == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("losses", "fused", "factor"),
    [
        ({}, "mse", 1.0),
        ({"l1": 2.0}, "l1", 2.0),
        ({"mse": 2.0, "overlap": 1.0}, "mse", 2.0),
        ({"overlap": 1.0}, "mse", 1.0),
        ({"mse": 1.0, "ssim": 0.0}, "mse", 1.0),
        ({"mse": 1.0, "ssim": 0.1}, None, 0.0),
        ({"mse": 1.0, "alpha": 0.1}, None, 0.0),
        ({"huber": 1.0}, None, 0.0),
    ],
)
def test_says_what_an_engine_does(losses: dict[str, float], fused: str | None, factor: float) -> None:
    combination = Combination(losses, pictures(12, 12)[0])
    assert (combination.fused, combination.fused_weight) == (fused, factor)
    assert regularized(losses) == ("overlap" in losses)
    assert combination.needs_alpha == ("alpha" in losses)


@pytest.mark.parametrize(
    ("losses", "message"),
    [
        ({"sharpness": 1.0}, "no loss 'sharpness': choose from mse, l1"),
        ({"mse": 0.0}, "are 0"),
        ({"mse": 0.0, "overlap": 1.0}, "are 0"),
        ({"overlap": 0.0}, "are 0"),
    ],
)
def test_says_what_cannot_be_combined(losses: dict[str, float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Combination(losses, pictures(4, 4)[0])


def test_every_loss_is_documented() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "losses.md").read_text(encoding="utf-8")
    assert not [name for name in LOSSES if f"`{name}`" not in text]


def test_black_mask() -> None:
    with pytest.raises(UserError, match="black everywhere"):
        Combination({}, pictures(4, 4)[0], weight=torch.zeros(4, 4))


def test_feature_loss() -> None:
    """With layers that were never trained."""
    generator = torch.Generator().manual_seed(0)
    network = build_features().double()
    for parameter in network.parameters():
        parameter.copy_(0.1 * torch.randn(parameter.shape, generator=generator))
    target, image = pictures(14, 17)
    loss = feature_loss(network, target, even(target))
    assert loss(target).item() == 0.0
    assert loss(image).item() > 0.0
    assert gradcheck(loss, image.requires_grad_(), fast_mode=True)
    with pytest.raises(UserError, match="too small"):
        feature_loss(network, target[:, :3], even(target)[:3])


def test_perceptual_loss_is_of_weights_that_are_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match="not on this machine"):
        Combination({"perceptual": 1.0}, pictures(8, 8)[0])
    path = tmp_path / "checkpoints" / WEIGHTS
    path.parent.mkdir()
    path.write_bytes(b"<html>")
    with pytest.raises(UserError, match="cannot be read"):
        load_features()
    torch.save({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    with pytest.raises(UserError, match="cannot be read"):
        load_features()
    torch.save({f"features.{name}": tensor for name, tensor in build_features().state_dict().items()}, path)
    target, image = (picture.float() for picture in pictures(8, 8))
    assert Combination({"perceptual": 1.0}, target).image_loss(image).item() > 0.0


@pytest.mark.parametrize("kind", ["mse", "l1"])
def test_encoded_loss_and_cotangent(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    light, target = torch.rand(2, 3, 20, 30, generator=generator, dtype=torch.float64)
    light[:, :4] *= 0.006  # on both sides of the end of the straight part
    weight = torch.rand(20, 30, generator=generator, dtype=torch.float64)
    leaf = light.clone().requires_grad_()
    error = encode(leaf) - target
    expected = (weight * (error.square() if kind == "mse" else error.abs())).sum()
    expected.backward()
    value, cotangent = encoded_pixel_loss(light, target, weight, kind)
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.allclose(cotangent, leaf.grad, rtol=1e-9)
