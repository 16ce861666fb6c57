"""The command line's `fit`: its options, and the job that they make of a picture, or of a job folder."""

from __future__ import annotations

import argparse
import itertools
import math
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from ..job import (
    ENGINES,
    LOCKABLE,
    ORDERS,
    PRESETS,
    RECIPES,
    SPACES,
    Clip,
    Job,
    RegionSpec,
    Settings,
    TemplateSpec,
    UserError,
)
from ..job.settings import check_engine

STAMPS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".tga", ".gif")
"""The files of a folder that are taken for stamps."""

_MODES: dict[str, tuple[Any, float]] = {
    "tint": ("tint", 0.0),
    "mix": ("mix", 0.5),
    "multiply": ("multiply", 1.0),
    "original": ("mix", 1.0),
}
"""Mode and usual blend of a stamp's own colours, by the command line's names."""

ENGINE_NAMES = f"{', '.join(ENGINES)}, or a card by its number as cuda:1"


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    text = "a picture, a movie, an animated picture, a folder of frames, or a folder with a job.json"
    add("target", type=Path, metavar="TARGET|JOB_FOLDER", help=text)
    add("--templates", type=Path, nargs="+", metavar="FILE", help="stamps: pictures, or folders of them")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for the layout")
    _add_settings(parser.add_argument_group("the fit"))
    _add_pictures(parser.add_argument_group("pictures that steer it"))
    _add_stamps(parser.add_argument_group("every stamp"))
    _add_usage(parser.add_argument_group("how often each stamp is used"))
    _add_colors(parser.add_argument_group("colours"))
    _add_places(parser.add_argument_group("places and order"))
    _add_clip(parser.add_argument_group("targets that move"))


def job_of(args: argparse.Namespace) -> Job:
    """The job of a parsed command line. Raises UserError for options that do not go together."""
    is_job = os.path.isdir(args.target) and (args.target / "job.json").exists()
    job = _job_of_folder(args) if is_job else _job_of_files(args)
    _limit(job.templates, args)
    return job


def engine_name(text: str) -> str:
    """The argument of --engine. Raises argparse.ArgumentTypeError."""
    try:
        check_engine(text)
    except UserError as error:
        raise argparse.ArgumentTypeError(error.message) from None
    return text


def _add_settings(group: argparse._ArgumentGroup) -> None:
    add, standard = group.add_argument, Settings()
    presets = "; ".join(f"{name}: {_listed(values)}" for name, values in PRESETS.items())
    add("--preset", choices=PRESETS, help=f"how thoroughly ({presets}); other options override it")
    add("--time-limit", type=float, metavar="SECONDS", help="of the fit, which hurries to end in time (none)")
    add("--count", type=int, metavar="N", help=f"primitives ({standard.count})")
    add("--size", type=int, metavar="PX", help=f"longer side of the canvas ({standard.size})")
    add("--iterations", type=int, metavar="N", help=f"steps ({standard.iterations})")
    add("--seed", type=int, metavar="N", help=f"the same seed gives the same layout ({standard.seed})")
    add("--recipe", choices=RECIPES, help=f"how it is fitted ({standard.recipe})")
    add("--loss", nargs="+", type=_weighted, metavar="NAME=WEIGHT", help="what is descended (the recipe's)")
    add("--engine", type=engine_name, metavar="NAME", help=f"what computes: {ENGINE_NAMES} ({standard.engine})")
    add("--space", choices=SPACES, help=f"in which the stamps are composited ({standard.space})")
    add("--threads", type=int, metavar="N", help="0 = one per core (0)")
    text = "pictures of the fit's course that are kept, for animate recording (0)"
    add("--record", dest="recording", type=int, metavar="N", help=text)


def _add_pictures(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--mask", type=Path, metavar="M.png", help="white: the target counts; black: nothing is placed")
    text = "a part of the canvas (white) and its stamps, or those of --templates; may be repeated, the front one first"
    add("--region", type=Path, nargs="+", action="append", metavar=("M.png", "FILE"), help=text)
    text = "how much paint where it is to stay clear weighs (1; regions: twice that, 100 at most)"
    add("--containment", type=float, metavar="W", help=text)
    add("--importance", type=Path, metavar="W.png", help="white: errors weigh more than where it is black")
    add("--start", type=Path, metavar="DIR", help="a layout to continue from")
    text = "primitives that are added to those of --start, which go where they help most (0)"
    add("--add", dest="added", type=int, metavar="N", help=text)


def _add_stamps(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--mode", choices=_MODES, help="how its own colours enter (tint: not at all; original: alone)")
    add("--blend", type=float, metavar="B", help="how much of them, from 0 to 1 (mix: 0.5, multiply: 1)")
    add("--stretch", type=float, metavar="RATIO", help="may be longer or wider than it is, up to RATIO : 1 (1)")
    add("--mirror", action="store_const", const=True, help="may be flipped left to right")
    size = "its longer side over the canvas's (0 2)"
    add("--size-range", type=float, nargs=2, metavar=("LOW", "HIGH"), help=size)
    rotation = "degrees, clockwise (all round)"
    add("--rotation", type=float, nargs=2, metavar=("LOW", "HIGH"), help=rotation)
    opacity = group.add_mutually_exclusive_group()
    opacity.add_argument("--opacity", type=float, nargs=2, metavar=("LOW", "HIGH"), help="from 0 to 1 (0 1)")
    opacity.add_argument("--opaque", dest="opacity", action="store_const", const=(1.0, 1.0), help="--opacity 1 1")


def _add_usage(group: argparse._ArgumentGroup) -> None:
    shares = group.add_mutually_exclusive_group()
    text = "one number a stamp: how often each is used, relative to the others"
    shares.add_argument("--shares", type=float, nargs="+", metavar="SHARE", help=text)
    shares.add_argument("--even", action="store_true", help="all alike: none is repeated before all are used")
    group.add_argument("--at-most", type=int, metavar="N", help="primitives of each stamp")


def _add_colors(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--background", type=_color, metavar="RRGGBB", help="colour of the canvas (ffffff)")
    text = "nothing is behind the stamps: the picture has the target's transparency"
    group.add_argument("--transparent", action=argparse.BooleanOptionalAction, default=None, help=text)
    palette = group.add_mutually_exclusive_group()
    text = "the only colours that are used"
    palette.add_argument("--palette", type=_colors, metavar="RRGGBB,RRGGBB", help=text)
    palette.add_argument("--palette-size", type=int, metavar="N", help="only N colours, taken from the target")


def _add_places(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--spacing", type=float, metavar="S", help="between any two centres / the canvas's longer side, at least (0)")
    add("--order", choices=ORDERS, help="which sizes lie in front (free)")
    add("--lock", dest="locked", choices=LOCKABLE, nargs="+", help="what stays as it is at the start")


def _add_clip(group: argparse._ArgumentGroup) -> None:
    add, standard = group.add_argument, Clip()
    add(
        "--frames",
        type=frame_range,
        metavar="A-B",
        help="first and last frame, counted from 1; A- goes on to the end (1-)",
    )
    add("--step", type=int, metavar="N", help=f"only every Nth of them ({standard.step})")
    add("--fps", type=float, metavar="N", help="frames a second (the target's own)")
    add(
        "--scene-start",
        type=int,
        metavar="N",
        help=f"the scene's frame that shows the first one ({standard.scene_start})",
    )
    text = f"steps of each frame after the first of a shot ({standard.iterations})"
    add("--frame-iterations", type=int, metavar="N", help=text)
    text = f"rounds over all frames that make the paths smooth; 0 = none ({standard.refinement})"
    add("--refinement", type=int, metavar="N", help=text)
    add("--knots", type=int, metavar="N", help=f"frames from knot to knot of a path at most ({standard.knots})")
    add("--smoothness", type=float, metavar="W", help=f"how steady stamps are kept ({standard.smoothness:g})")
    flow = argparse.BooleanOptionalAction
    add("--flow", action=flow, default=None, help="stamps are carried along by the target's optical flow (yes)")
    add("--fade", type=int, metavar="N", help=f"frames in which a stamp fades that goes elsewhere ({standard.fade})")
    add("--still", type=float, metavar="C", help=f"change of a pixel that does not count, of 1 ({standard.still:g})")
    text = f"correlation of frames below which there is a cut; 0 = none are looked for ({standard.cut:g})"
    add("--cut", type=float, metavar="R", help=text)


_CLIP = ("step", "fps", "scene_start", "refinement", "knots", "smoothness", "flow", "fade", "still", "cut")


def _clip(args: argparse.Namespace, clip: Clip | None, *, moving: bool) -> Clip | None:
    """The clip with what the command line says otherwise; None for a target that does not move."""
    changed = {name: getattr(args, name) for name in _CLIP if getattr(args, name) is not None}
    if args.frame_iterations is not None:
        changed["iterations"] = args.frame_iterations
    if args.frames is not None:
        first, last = args.frames
        own = clip or Clip()
        # A part of a clip lies where it would lie in all of it.
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
    job = Job.load(args.target)
    job.settings = _settings(args, job.settings)
    job.clip = _clip(args, job.clip, moving=job.clip is not None)
    return job


def _job_of_files(args: argparse.Namespace) -> Job:
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
    # What reads movies takes a while to load, and pictures are what is most often given.
    if target.suffix.lower() in (".jpg", ".jpeg", ".bmp", ".tif", ".tiff"):
        return False
    from ..pictures.movies import is_moving

    return is_moving(target)


def _settings(args: argparse.Namespace, settings: Settings) -> Settings:
    """The settings with what the command line says otherwise."""
    given = {f.name: getattr(args, f.name, None) for f in fields(Settings)}
    changed = {name: value for name, value in given.items() if value is not None}
    if args.loss is not None:
        changed["losses"] = dict(args.loss)
    if args.shares is not None or args.even:
        changed["usage"] = "shares"
    if args.palette is not None:
        changed["palette_size"] = 0
    elif args.palette_size is not None:
        changed["palette"] = []
    return replace(settings, **{**PRESETS.get(args.preset, {}), **changed})


def _limit(specs: list[TemplateSpec], args: argparse.Namespace) -> None:
    """Changes the stamps as the command line says; a job folder's own keep what is not mentioned."""
    changed = {"stretch": args.stretch, "mirror": args.mirror, "most": args.at_most}
    changed["size_range"] = args.size_range and tuple(args.size_range)
    changed["rotation_range"] = args.rotation and tuple(math.radians(angle) for angle in args.rotation)
    changed["opacity_range"] = args.opacity and tuple(args.opacity)
    changed = {name: value for name, value in changed.items() if value is not None}
    shares = args.shares or [1.0] * len(specs)
    if len(shares) != len(specs):
        raise UserError(f"--shares has {len(shares)} numbers, but there are {len(specs)} stamps: give one for each")
    for spec, share in zip(specs, shares, strict=True):
        if args.shares is not None or args.even:
            changed["share"] = share
        spec.limits = replace(spec.limits, **changed)
        if args.mode is not None:
            spec.mode, spec.blend = _MODES[args.mode]
        if args.blend is not None:
            spec.blend = args.blend
        spec.__post_init__()


def _stamp_files(paths: list[Path]) -> list[Path]:
    files = []
    for path in paths:
        inside = sorted(p for p in path.iterdir() if p.suffix.lower() in STAMPS) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path} holds no pictures: name a folder of stamps ({', '.join(STAMPS)})")
        files += inside
    return files


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{value} {name}" for name, value in values.items())


def _color(text: str) -> tuple[float, float, float]:
    digits = text.strip().removeprefix("#")
    if not re.fullmatch("[0-9a-fA-F]{6}", digits):
        raise argparse.ArgumentTypeError(f"{text!r} is not a colour: six hexadecimal digits such as ffffff are needed")
    red, green, blue = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


def _colors(text: str) -> list[tuple[float, float, float]]:
    return [_color(part) for part in text.split(",")]


def frame_range(text: str) -> tuple[int, int]:
    """A range of frames; 0 is no end."""
    found = re.fullmatch(r"(\d+)(-(\d*))?", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of frames such as 1-48")
    first = int(found[1])
    if found[3] and int(found[3]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} ends with frame 0, but they are counted from 1: leave the end out")
    return first, first if found[2] is None else int(found[3] or 0)


def _weighted(text: str) -> tuple[str, float]:
    """A name with its weight after "="; 1 where there is none."""
    name, _, weight = text.partition("=")
    try:
        return name, float(weight or 1.0)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a loss with its weight, such as mse=1") from None
