"""Losses against autograd."""

from __future__ import annotations

import pytest
import torch

from backend.color import encode
from backend.losses import encoded_pixel_loss, pixel_error


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
    assert value == pytest.approx(expected.item(), rel=1e-12)
    assert torch.allclose(cotangent, leaf.grad, rtol=1e-9)
    if kind == "mse":
        assert pixel_error(encode(light), target, weight) == pytest.approx(value, rel=1e-12)
