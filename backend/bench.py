"""The benchmarks of the command line: speed by default, quality where a folder of pictures is given."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .files import UserError, check_range


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="write JSON")
    add = parser.add_argument_group("quality").add_argument
    add("--quality", type=Path, metavar="DIR", help="fit the pictures in DIR/targets with those in DIR/templates")
    add("--targets", nargs="+", metavar="NAME", help="only these, without their file's ending (all)")
    add("--templates", nargs="+", metavar="NAME", help="only these, without their file's ending (all)")
    seeds = "only the recipe paper, with so many seeds, against the figures of DIR/baseline.json if there is one"
    add("--seeds", type=int, metavar="N", help=seeds)
    add("--quick", action="store_true", help="a smoke test: small pictures, few steps")


def measure(args: argparse.Namespace, tell: Callable[[str], None]) -> dict[str, Any]:
    """The numbers that the options ask for; tell is called with a line now and then. Raises UserError."""
    chosen = {"targets": args.targets or (), "templates": args.templates or ()}
    if args.quality is None:
        if any(chosen.values()) or args.seeds is not None or args.quick:
            raise UserError("--targets, --templates, --seeds and --quick go with --quality DIR: name its folder too")
        from . import bench_speed

        return {"speed": bench_speed.run()}
    from . import bench_quality

    plan = bench_quality.QUICK if args.quick else bench_quality.Plan()
    if args.seeds is None:
        return {"quality": bench_quality.run(args.quality, **chosen, plan=plan, tell=tell)}
    check_range("--seeds", args.seeds, 1, 100)
    return {"quality": bench_quality.run_seeds(args.quality, args.seeds, **chosen, plan=plan, tell=tell)}


def explain(results: dict[str, Any]) -> str:
    """The numbers as a table for people."""
    if "speed" in results:
        from . import bench_speed

        return bench_speed.explain(results["speed"])
    from . import bench_quality

    return bench_quality.explain(results["quality"])
