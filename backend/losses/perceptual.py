"""The perceptual loss: the difference of two pictures to a network that was trained to recognize content.

Nothing is downloaded: the weights are read from torch's cache.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from ..job import UserError
from .images import ImageLoss

WEIGHTS = "vgg16-397923af.pth"
SOURCE = f"https://download.pytorch.org/models/{WEIGHTS}"
LAYERS = (64, 64, "pool", 128, 128, "pool", 256, 256, 256)
"""The beginning of VGG16 (Simonyan and Zisserman, 2014), to the third convolution at a quarter of the size."""
LEAST_SIZE = 4  # px: two poolings must leave something
FEATURE_SCALE = 100.0
"""Divisor of the features, which are of the order of 10, to match their squared error to that of pixels."""
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the training pictures


def perceptual(target: Tensor, weight: Tensor) -> ImageLoss:
    """Measures the mean squared error of VGG16's features, / 100. Raises UserError where its weights are missing."""
    return feature_loss(load_features().to(target.device), target, weight)


def feature_loss(features: Callable[[Tensor], Tensor], target: Tensor, weight: Tensor) -> ImageLoss:
    """Measures the mean squared error of any features: from a picture [1, 3, H, W] to [1, C, h, w]."""
    if min(target.shape[1:]) < LEAST_SIZE:
        raise UserError(f"A target of less than {LEAST_SIZE} px is too small for the perceptual loss: enlarge it")
    mean, deviation = (target.new_tensor(numbers).reshape(3, 1, 1) for numbers in (MEAN, DEVIATION))

    def seen(image: Tensor) -> Tensor:
        return features(((image - mean) / deviation)[None])[0]

    with torch.no_grad():
        goal = seen(target)
    share = adaptive_avg_pool2d(weight[None], (goal.shape[1], goal.shape[2]))[0]
    share = share / (share.sum() * len(goal) * FEATURE_SCALE)
    return lambda image: ((seen(image) - goal).square() * share).sum()


def load_features() -> nn.Sequential:
    """Loads VGG16's first layers with torchvision's weights from torch's cache. Raises UserError if there are none."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / WEIGHTS
    if not path.is_file():
        raise UserError(
            "The perceptual loss needs the weights of VGG16, which are not on this machine: "
            f"download {SOURCE} (528 MB) to {path}, or do without this loss"
        )
    network = build_features()
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict({name: stored[f"features.{name}"] for name in network.state_dict()})
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} cannot be read as the weights of VGG16: download {SOURCE} again") from error
    return network


def build_features() -> nn.Sequential:
    """Returns the untrained layers, numbered as in torchvision."""
    layers: list[nn.Module] = []
    channels = 3
    for entry in LAYERS:
        if isinstance(entry, int):
            layers += [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU()]
            channels = entry
        else:
            layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers).eval().requires_grad_(False)
