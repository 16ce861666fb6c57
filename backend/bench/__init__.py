"""The benchmarks of the command line: speed by default, quality with a folder of pictures."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from ..job import UserError, check_range


def measure(args: argparse.Namespace, tell: Callable[[str], None]) -> dict[str, Any]:
    """Runs the benchmarks that the options choose. Calls tell with lines of progress. Raises UserError."""
    if args.clips is not None:
        from . import clips

        return {"clips": clips.run(args.clips, tell)}
    if args.exports:
        from . import exports

        return {"exports": exports.run(tell)}
    if args.shares is not None:
        from . import shares

        return {"shares": shares.run(args.shares, tell, args.peers)}
    if args.peers is not None:
        raise UserError("--peers needs --shares: add it")
    chosen = {"targets": args.targets or (), "templates": args.templates or ()}
    if args.quality is None:
        if any(chosen.values()) or args.seeds is not None or args.quick:
            raise UserError("--targets, --templates, --seeds and --quick need --quality DIR: add it")
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
    """Formats the results as a table."""
    if "speed" in results:
        from . import speed

        lines = [speed.explain(results["speed"])]
        if "cause" in results["gpu"]:
            lines.append(f"No GPU was measured: {results['gpu']['cause']}")
        else:
            from . import gpu

            lines.append(gpu.explain(results["gpu"]))
        return "\n".join(lines)
    [(kind, numbers)] = results.items()
    table: str = import_module(f".{kind}", __package__).explain(numbers)
    return table
