"""The benchmarks of the command line: speed by default, quality where a folder of pictures is given."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def measure(quality: Path | None) -> dict[str, Any]:
    """The numbers of the speed bench, or of the quality bench over a folder with targets/ and templates/."""
    if quality is None:
        from . import bench_speed

        return {"speed": bench_speed.run()}
    from . import bench_quality

    return {"quality": bench_quality.run(quality)}


def explain(results: dict[str, Any]) -> str:
    """The numbers as a table for people."""
    if "speed" in results:
        from . import bench_speed

        return bench_speed.explain(results["speed"])
    from . import bench_quality

    return bench_quality.explain(results["quality"])
