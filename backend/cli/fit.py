"""The command `fit`: its options, and the job that follows from them."""

from __future__ import annotations

import argparse
import itertools
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..job import PRESETS, Clip, Job, Limits, RegionSpec, Settings, TemplateSpec, UserError, settings_of
from .options import add_setting, add_settings, frame_range, given

STAMPS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".tga", ".gif")
"""File extensions of the stamps in a folder."""

_MODES: dict[str, tuple[Any, float]] = {
    "tint": ("tint", 0.0),
    "mix": ("mix", 0.5),
    "multiply": ("multiply", 1.0),
    "original": ("mix", 1.0),
}
"""Mode and usual blend of a stamp's own colors, by the command line's names."""

_OWN = ("start", "end", "share", "opacity_range", "palette", "palette_size")
"""Settings whose options have another form or exclude each other."""


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = "a picture, a movie, an animated picture, a folder of frames, or a folder with a job.json"
    add("target", type=Path, metavar="TARGET|JOB_FOLDER", help=text)
    add("--outside", action="store_true", help="Follow paths that lead out of the job folder")
    add("--templates", type=Path, nargs="+", metavar="FILE", help="stamps: pictures, or folders of pictures")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the layout")
    presets = "; ".join(f"{name}: {_listed(values)}" for name, values in PRESETS.items())
    add("--preset", choices=PRESETS, help=f"Choose how thoroughly to fit ({presets}); other options override it")
    _add_pictures(parser.add_argument_group("guiding pictures"))
    headings = add_settings(parser, Settings, Limits, Clip, without=_OWN)
    _add_stamps(headings["limits"])
    palette = headings["look"].add_mutually_exclusive_group()
    add_setting(palette, Settings, "palette")
    add_setting(palette, Settings, "palette_size")
    headings["build"].add_argument("--start", type=Path, metavar="DIR", help="Continue from this layout")
    text = "Fit only these frames, counted from 1; A- = up to the end (1-)"
    headings["clip"].add_argument("--frames", type=frame_range, metavar="A-B", help=text)


def job_of(args: argparse.Namespace) -> Job:
    """Returns the job of a parsed command line. Raises UserError for options that contradict each other."""
    is_job = os.path.isdir(args.target) and (args.target / "job.json").exists()
    job = _job_of_folder(args) if is_job else _job_of_files(args)
    _limit(job.templates, args)
    return job


def _add_pictures(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--mask", type=Path, metavar="M.png", help="Fit the target where this is white; place nothing where black")
    text = "Give the white part its own stamps, or those of --templates; repeat from front to back"
    add("--region", type=Path, nargs="+", action="append", metavar=("M.png", "FILE"), help=text)
    add("--importance", type=Path, metavar="W.png", help="Weigh errors more where this is white than where black")


def _add_stamps(heading: argparse._ActionsContainer) -> None:
    text = f"{settings_of(TemplateSpec)['mode'].help} (tint: none of its own; original: its own alone)"
    heading.add_argument("--mode", choices=_MODES, help=text)
    text = f"{settings_of(TemplateSpec)['blend'].help} (mix: 0.5, multiply: 1)"
    heading.add_argument("--blend", type=float, metavar="X", help=text)
    opacity = heading.add_mutually_exclusive_group()
    add_setting(opacity, Limits, "opacity_range")
    opacity.add_argument("--opaque", dest="opacity", action="store_const", const=(1.0, 1.0), help="--opacity 1 1")
    shares = heading.add_mutually_exclusive_group()
    text = "Set how often each stamp is used relative to the others: one number per stamp"
    shares.add_argument("--shares", type=float, nargs="+", metavar="SHARE", help=text)
    shares.add_argument("--even", action="store_true", help="Use all stamps equally often")


def _clip(args: argparse.Namespace, clip: Clip | None, *, moving: bool) -> Clip | None:
    """Returns the clip as changed by the command line; None for a target that does not move."""
    changed = given(args, Clip, without=("start", "end"))
    if args.frames is not None:
        first, last = args.frames
        own = clip or Clip()
        # A part of a clip keeps its place in the whole clip.
        changed |= {"start": first, "end": last}
        changed.setdefault("scene_start", own.scene_start + first - own.start)
    if not moving and not changed:
        return None
    if not moving and clip is None and args.frames is None:
        raise UserError(
            f"{args.target} is a picture, which has no {next(iter(changed))}: leave that out, or name a movie"
        )
    return replace(clip or Clip(), **changed)


def _job_of_folder(args: argparse.Namespace) -> Job:
    for name in ("templates", "mask", "region", "importance", "start"):
        if getattr(args, name):
            raise UserError(f"--{name} is for a target that is a picture: {args.target / 'job.json'} names its own")
    job = Job.load(args.target, args.outside)
    job.settings = _settings(args, job.settings)
    job.clip = _clip(args, job.clip, moving=job.clip is not None)
    return job


def _job_of_files(args: argparse.Namespace) -> Job:
    if os.path.isfile(args.target / "layout.json"):
        raise UserError(
            f"{args.target} is a result, and not a target: name a picture, and continue with --start {args.target}"
        )
    parts: list[list[Path]] = args.region or []
    common = args.templates or []
    if not common and not (parts and all(len(part) > 1 for part in parts)):
        raise UserError("There is no stamp: name at least one picture after --templates")
    settings = _settings(args, Settings())
    pictures = [args.target, args.mask, args.importance, args.start, *common, *itertools.chain(*parts)]
    for path in pictures:
        if path and not os.path.exists(path):  # False for a name that is too long as well
            raise UserError(f"There is no {path}: name one that exists")
    files = _stamp_files(common) if common else []
    regions, for_all = [], list(files)
    for mask, *stamps in parts:
        own = _stamp_files(stamps) if stamps else for_all
        files += [file for file in own if file not in files]
        regions.append(RegionSpec(mask.stem, str(mask), [files.index(file) for file in own]))
    specs = [TemplateSpec(str(file)) for file in files]
    others: dict[str, Any] = {name: str(getattr(args, name) or "") for name in ("mask", "importance", "start")}
    clip = _clip(args, None, moving=_is_moving(args.target))
    return Job(str(args.target), specs, settings, regions=regions, clip=clip, **others)


def _is_moving(target: Path) -> bool:
    from ..pictures.moving import is_moving

    return is_moving(target)


def _settings(args: argparse.Namespace, settings: Settings) -> Settings:
    """Returns the settings as changed by the command line."""
    changed = given(args, Settings)
    if args.shares is not None or args.even:
        changed["usage"] = "shares"
    if args.palette is not None:
        changed["palette_size"] = 0
    elif args.palette_size is not None:
        changed["palette"] = []
    return replace(settings, **{**PRESETS.get(args.preset, {}), **changed})


def _limit(specs: list[TemplateSpec], args: argparse.Namespace) -> None:
    """Changes the stamps by the options that are given."""
    changed = given(args, Limits, without=("share",))
    shares = args.shares or [1.0] * len(specs)
    if len(shares) != len(specs):
        raise UserError(f"--shares has {len(shares)} numbers, but there are {len(specs)} stamps: give one for each")
    for spec, share in zip(specs, shares, strict=True):
        if args.shares is not None or args.even:
            changed["share"] = share
        if changed:
            spec.limits = replace(spec.limits, **changed)
        if args.mode is not None:
            spec.mode, spec.blend = _MODES[args.mode]
        if args.blend is not None:
            spec.blend = args.blend
        if args.mode is not None or args.blend is not None:
            spec.__post_init__()


def _stamp_files(paths: list[Path]) -> list[Path]:
    files = []
    for path in paths:
        inside = _pictures(path) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path} holds no pictures: name a folder of stamps ({', '.join(STAMPS)})")
        files += inside
    return files


def _pictures(folder: Path) -> list[Path]:
    names = (name for name in os.listdir(folder) if os.path.splitext(name)[1].lower() in STAMPS)
    return [folder / name for name in sorted(names, key=os.path.normcase)]


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{value} {name}" for name, value in values.items())
