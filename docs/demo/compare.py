"""Compares Blender's renders of the demo with the engine's, in numbers and side by side.

compare.py TARGET LAYOUT OUT
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

# The project promises that Blender's picture equals the engine's in 8 bits.
LEAST_NATIVE, LEAST_AA = 55.0, 50.0  # dB


def main(target: Path, layout: Path, out: Path) -> int:
    render = [sys.executable, "-m", "backend", "render", layout, "--supersample", "3", "--out", out / "engine_aa.png"]
    subprocess.run([str(part) for part in render], check=True, timeout=300)
    native, aa = read(layout / "render.png"), read(out / "engine_aa.png")
    one, many = read(out / "blender_1.png"), read(out / "blender_16.png")
    height, width = native.shape[:2]
    goal = np.asarray(Image.open(target).convert("RGB").resize((width, height), Image.Resampling.LANCZOS)) / 255.0
    found = {"native": psnr(one, native), "aa": psnr(many, aa)}
    columns = {
        "Target": goal,
        f"Engine: {psnr(native, goal):.2f} dB (aa {psnr(aa, goal):.2f} dB)": native,
        f"Blender: {found['native']:.1f} dB to the engine, 16 samples {found['aa']:.1f} dB": many,
    }
    side_by_side(columns).save(out / "comparison.png")
    write = sys.stdout.write
    write(f"Engine against target: {psnr(native, goal):.2f} dB, anti-aliased {psnr(aa, goal):.2f} dB\n")
    write(f"Blender, 1 sample, against the engine: {found['native']:.2f} dB ({LEAST_NATIVE:g} is promised)\n")
    write(f"Blender, 16 samples, against the engine's aa: {found['aa']:.2f} dB ({LEAST_AA:g} is promised)\n")
    write(f"{out / 'comparison.png'}\n")
    return int(found["native"] < LEAST_NATIVE or found["aa"] < LEAST_AA)


def read(path: Path) -> NDArray[np.float64]:
    return np.asarray(Image.open(path).convert("RGB")) / 255.0


def psnr(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    return float(-10 * np.log10(max(np.mean((a - b) ** 2), 1e-12)))


def side_by_side(columns: dict[str, NDArray[np.float64]]) -> Image.Image:
    """The pictures in a row, each under its caption."""
    height, width = next(iter(columns.values())).shape[:2]
    gap, head = 8, 28
    sheet = Image.new("RGB", (len(columns) * (width + gap) - gap, height + head), "white")
    draw = ImageDraw.Draw(sheet)
    for i, (caption, picture) in enumerate(columns.items()):
        left = i * (width + gap)
        sheet.paste(Image.fromarray(np.rint(picture.clip(0, 1) * 255).astype(np.uint8)), (left, head))
        draw.text((left + 4, 6), caption, "black", ImageFont.load_default(15))
    return sheet


if __name__ == "__main__":
    sys.exit(main(*(Path(argument) for argument in sys.argv[1:4])))
