"""Draws the gallery's targets and photograph-like stamps: [h, w, 3 or 4] in [0, 1], display-encoded, straight."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont

Array = NDArray[np.float64]
Color = tuple[float, float, float]

FINE = 3
"""Samples per pixel and axis: a picture with hard edges is drawn this many times larger and averaged."""


@dataclass(frozen=True)
class Light:
    """Colors of a landscape."""

    zenith: Color = (0.16, 0.33, 0.62)
    horizon: Color = (0.98, 0.78, 0.55)
    sun: Color = (1.0, 0.93, 0.75)
    far: Color = (0.58, 0.52, 0.62)
    near: Color = (0.10, 0.19, 0.13)


def landscape(width: int, height: int, seed: int = 4, light: Light | None = None) -> Array:
    """Hills behind hills under a low sun, and their reflection in a lake."""
    light = light or Light()
    random = np.random.default_rng(seed)
    shore = int(height * random.uniform(0.66, 0.74))
    above = _sky(random, width, height, shore, light)
    for distance in np.linspace(1, 0, 5):
        line = shore * (0.45 + 0.5 * (1 - distance)) - shore * 0.35 * (_noise(random, 8, width, 1)[4] - 0.5)
        inside = np.clip(np.arange(height)[:, None] - line, 0, 1)[..., None]
        rough = 0.65 + 0.7 * _noise(random, height, width, 10)[..., None]
        color = distance * np.array(light.far) + (1 - distance) * np.array(light.near)
        above = above * (1 - inside) + np.clip(color * rough, 0, 1) * inside
    rows = np.arange(height - shore)
    wave = np.rint(3 * np.sin(rows * 0.9 + 5 * np.sin(rows * 0.13))).astype(int)
    mirrored = above[np.maximum(shore - 1 - rows - wave % 3, 0)]
    ripple = 0.72 + 0.2 * _noise(random, len(rows), width, 3, stretch=6)[..., None]
    above[shore:] = mirrored * ripple + 0.06 * np.array(light.zenith)
    return above.clip(0, 1)


def _sky(random: np.random.Generator, width: int, height: int, shore: int, light: Light) -> Array:
    y, x = np.mgrid[:height, :width] / height
    fall = np.clip(y * height / shore, 0, 1)[..., None] ** 0.8
    sky = (1 - fall) * np.array(light.zenith) + fall * np.array(light.horizon)
    away = np.hypot(x - width / height * random.uniform(0.25, 0.75), y - random.uniform(0.2, 0.32))
    glow = (0.6 * np.exp(-away * 6) + np.clip((0.055 - away) * 200, 0, 1))[..., None].clip(0, 1)
    sky = sky * (1 - glow) + np.array(light.sun) * glow
    cloud = np.clip((_noise(random, height, width, 3, stretch=3) - 0.52) * 5, 0, 1)[..., None] * 0.8
    return sky * (1 - cloud) + (0.3 * sky + 0.7 * np.array(light.sun)) * cloud


def snapshots(count: int = 64) -> list[Array]:
    """Small landscapes of every season and hour, from night to snow, of one main color each: 96 x 72 px or upright."""
    random = np.random.default_rng(1)
    pictures = []
    for index in range(count):
        column, brightness = index % 8, 0.1 + 0.9 * (index // 8) / 7
        # Two columns of grays; of the others, every second one is pale.
        colorful = 0.0 if column >= 6 else 0.95 if (column + index // 8) % 2 else 0.55
        hue = _hue(_HUES[column % 6] + random.uniform(-0.02, 0.02))
        main = (hue * colorful + 1 - colorful) * brightness
        light = Light(*(tuple(np.clip(main * factor + lift, 0, 1)) for factor, lift in _SHADES))
        size = (96, 72) if index % 3 else (72, 96)
        pictures.append(landscape(*size, seed=index, light=light))
    return pictures


_SHADES = ((0.95, 0.0), (1.1, 0.05), (1.15, 0.15), (1.0, 0.03), (0.8, 0.0))  # factor and lift, in the order of Light
_HUES = (0.0, 0.04, 0.09, 0.14, 0.36, 0.62)  # turns: red, orange, skin, yellow, green, blue


def _hue(turn: float) -> Array:
    return np.clip(np.abs((turn + np.array([0, 2, 1]) / 3) % 1 * 6 - 3) - 1, 0, 1)


def poster(width: int = 512, height: int = 640) -> Array:
    """Large letters, flat colors, straight and round edges."""
    size = (width * FINE, height * FINE)
    image = Image.new("RGB", size, "#f3ead7")
    draw = ImageDraw.Draw(image)
    unit = width * FINE / 512

    def scaled(*numbers: float) -> list[float]:
        return [number * unit for number in numbers]

    draw.ellipse(scaled(96, 60, 416, 380), "#d9402b")
    for step in range(6):
        draw.polygon(
            scaled(0, 330 + 34 * step, 512, 250 + 34 * step, 512, 266 + 34 * step, 0, 346 + 34 * step), "#1d3f5e"
        )
    draw.rectangle(scaled(0, 520, 512, 640), "#1d3f5e")
    draw.polygon(scaled(256, 110, 330, 300, 182, 300), "#f0b63a")
    for text, y, height_, color in (("STAMP", 452, 150, "#16202b"), ("a thousand times", 582, 54, "#f3ead7")):
        draw.text((256 * unit, y * unit), text, color, ImageFont.load_default(height_ * unit), anchor="mm")
    return np.asarray(image.resize((width, height), Image.Resampling.BOX)) / 255.0


def toadstool(width: int = 448, height: int = 512) -> Array:
    """A cut-out: a red cap with white spots on a stem, transparent around it."""
    y, x = np.mgrid[: height * FINE, : width * FINE] / (height * FINE)
    x = x - width / height / 2
    red, white = np.array([0.86, 0.13, 0.08]), np.array([0.97, 0.94, 0.86])
    stem_half = 0.075 + 0.05 * np.clip(y - 0.75, 0, 1) + 0.04 * np.clip(0.5 - y, 0, 1)
    stem = (np.abs(x) < stem_half) & (y > 0.4) & (y < 0.93 + 0.03 * np.cos(x * 14))
    light = np.clip(0.95 - 0.5 * (x / stem_half + 0.4) ** 2 * 0.5 - 0.3 * np.exp(-(y - 0.5) * 9), 0.2, 1)
    color = white * light[..., None] * (1 - 0.06 * (np.sin(x * 260 + 3 * np.sin(y * 9)) > 0.5)[..., None])
    dome, rim = (x / 0.40) ** 2 + ((y - 0.5) / 0.40) ** 2, (x / 0.40) ** 2 + ((y - 0.5) / 0.09) ** 2
    gills = (rim < 1) & (y >= 0.5)
    folds = 0.55 + 0.2 * np.sin(np.arctan2(x, 0.72 - y) * 60)
    color[gills] = (white * 0.9 * folds[..., None])[gills]
    cap = (dome < 1) & (y < 0.5 + 0.03 * np.sqrt(np.clip(1 - (x / 0.4) ** 2, 0, 1)))
    depth = np.sqrt(np.clip(1 - dome, 0, 1))
    shade = np.clip(0.35 + 0.5 * depth + 0.45 * (-x / 0.4 * 0.5 + (0.5 - y) / 0.4 * 0.6), 0.15, 1.1)
    spotted = np.zeros_like(cap)
    for cx, cy, radius in _SPOTS:
        spotted |= ((x - cx) / (1 - abs(cx) * 1.3)) ** 2 + ((y - cy) / 0.85) ** 2 < radius**2
    color[cap] = (np.where(spotted[..., None], white, red) * shade[..., None])[cap]
    shine = np.exp(-(((x + 0.13) / 0.07) ** 2) - ((y - 0.2) / 0.045) ** 2)[..., None] * 0.5
    color = np.where(cap[..., None], color + shine, color)
    alpha = (stem | gills | cap).astype(float)
    planes = np.concatenate([color.clip(0, 1) * alpha[..., None], alpha[..., None]], -1)
    planes = planes.reshape(height, FINE, width, FINE, 4).mean((1, 3))
    planes[..., :3] /= np.maximum(planes[..., 3:], 1e-9)
    return planes.clip(0, 1)


_SPOTS = (
    *((-0.02, 0.21, 0.05), (0.14, 0.30, 0.055), (-0.17, 0.33, 0.05), (0.02, 0.40, 0.06), (0.27, 0.43, 0.045)),
    *((-0.29, 0.45, 0.04), (-0.13, 0.46, 0.03), (0.17, 0.47, 0.03), (0.12, 0.165, 0.028), (-0.14, 0.20, 0.03)),
)


def region_masks(size: int) -> dict[str, Array]:
    """A disc, a star and the letter A side by side: [size, size] each, white inside."""
    turns = [np.pi * i / 5 for i in range(10)]
    radii = [0.22, 0.088] * 5
    star = [(0.73 + r * np.sin(t), 0.25 - r * np.cos(t)) for r, t in zip(radii, turns, strict=True)]
    letter = [(0.34, 0.95), (0.46, 0.54), (0.54, 0.54), (0.66, 0.95), (0.585, 0.95)]
    letter += [(0.553, 0.84), (0.447, 0.84), (0.415, 0.95)]
    hole = [(0.463, 0.776), (0.537, 0.776), (0.5, 0.635)]
    shapes = {"disc": [], "star": [(star, 255)], "letter": [(letter, 255), (hole, 0)]}
    masks = {}
    for name, polygons in shapes.items():
        image = Image.new("L", (FINE * size, FINE * size))
        draw = ImageDraw.Draw(image)
        if name == "disc":
            draw.ellipse([0.04 * FINE * size, 0.04 * FINE * size, 0.47 * FINE * size, 0.47 * FINE * size], fill=255)
        for points, fill in polygons:
            draw.polygon([(FINE * size * x, FINE * size * y) for x, y in points], fill=fill)
        masks[name] = np.asarray(image.resize((size, size), Image.Resampling.BOX)) / 255.0
    return masks


def region_target(masks: dict[str, Array]) -> Array:
    """A gradient of colors, cut out by masks: RGBA."""
    alpha = np.maximum.reduce(list(masks.values()))
    y, x = np.mgrid[: alpha.shape[0], : alpha.shape[1]] / (alpha.shape[0] - 1)
    return np.dstack([x, y, 1 - x, alpha])


def face_map(width: int, height: int, center: tuple[float, float], radii: tuple[float, float]) -> Array:
    """An importance picture: a soft white ellipse on black, placed in shares of the picture's sides."""
    image = Image.new("L", (width, height), 0)
    box = [(c + sign * r) * side for sign in (-1, 1) for c, r, side in zip(center, radii, (width, height), strict=True)]
    ImageDraw.Draw(image).ellipse(box, 255)
    soft = image.filter(ImageFilter.GaussianBlur(width / 40))
    return np.repeat(np.asarray(soft)[..., None] / 255.0, 3, 2)


def _noise(random: np.random.Generator, height: int, width: int, cells: int, stretch: float = 1.0) -> Array:
    """Fractal noise in [0, 1]: [height, width]; `cells` of the coarsest octave along the height."""
    total = np.zeros((height, width))
    across = max(1.0, cells * width / height / stretch)
    if height < 16:  # a line
        across = 3.0
    for octave in range(5):
        shape = (int(cells * 2**octave) + 1, int(across * 2**octave) + 2)
        grid = Image.fromarray(random.random(shape).astype(np.float32))
        total += np.asarray(grid.resize((width, height), Image.Resampling.BICUBIC)) * 0.5**octave
    return np.clip(total / 1.9375, 0, 1)
