"""The summary of the quality bench: means, gains of one way of fitting over another, and needed primitives."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

Row = dict[str, Any]
"""The fields of a quality.QualityRow."""

_METRICS = ("psnr", "ssim", "psnr_aa", "ssim_aa", "psnr_on_black", "seconds")
_LABELS = {"stretch": "default, stretch 3", "linear": "default, linear light"}


def summarize(rows: list[Row], count: int) -> dict[str, Any]:
    """Summarizes the rows. count: the usual number of primitives, at which all ways of fitting have rows.

    means: by way. gains: over `paper`; doubled: the same with twice the primitives. linear: over display space.
    on_black: `default` over white. needed: primitives at which `default` equals `paper` with `count`.
    psnr and ssim are differences of means, time is a ratio of sums.
    """
    usual = _by_way([row for row in rows if row["count"] == count])
    twice = _by_way([row for row in rows if row["count"] == 2 * count])
    means = {way: _means(group) for way, group in usual.items()}
    return {
        "means": means,
        "gains": {way: _gain(means[way], means["paper"]) for way in ("default", "stretch")},
        "doubled": _gain(_means(twice["default"]), _means(twice["paper"])),
        "linear": _gain(means["linear"], means["default"]),
        "on_black": {"psnr_aa": means["default"]["psnr_on_black"] - means["default"]["psnr_aa"]},
        "needed": _needed([row for row in rows if row["way"] == "default"], usual["paper"]),
    }


def summarize_seeds(rows: list[Row], anchor: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the mean and spread over seeds by pair, and the differences to the anchor, if any."""
    known = {(row["target"], row["template"], row["count"]): row["anchor"] for row in anchor if "anchor" in row}
    pairs = []
    for (target, template), group in _by_pair(rows).items():
        values = [row["psnr"] for row in group]
        pair = {"target": target, "template": template, **_means(group), "spread": max(values) - min(values)}
        figures = known.get((target, template, group[0]["count"]))
        if figures:
            pair["anchor"] = {name: pair[name] - figures[name] for name in ("psnr", "ssim")}
        pairs.append(pair)
    differences = [pair["anchor"]["psnr"] for pair in pairs if "anchor" in pair]
    return {"pairs": pairs, "anchor": sum(differences) / len(differences) if differences else None}


def explain(results: dict[str, Any]) -> str:
    """Formats the results of quality.run or run_seeds as tables."""
    if "seeds" in results:
        return _explain_seeds(results["seeds"])
    summary, plan = results["summary"], results["plan"]
    lines = [_HEAD, *map(_line, results["rows"]), "", f"Means with {plan['count']} primitives", _HEAD]
    lines += [_line({"target": "", "template": "", "way": way, **mean}) for way, mean in summary["means"].items()]
    lines += ["", "Gains, anti-aliased, and ratio of times"]
    compared = {
        "default over paper": summary["gains"]["default"],
        "default, stretch 3, over paper": summary["gains"]["stretch"],
        f"default over paper, {2 * plan['count']} primitives, first targets": summary["doubled"],
        "linear light over display space": summary["linear"],
    }
    lines += [
        f"{name:<54} {gain['psnr_aa']:+6.2f} dB {gain['ssim_aa']:+7.3f} {gain['time']:6.2f} x"
        for name, gain in compared.items()
    ]
    lines += [f"{'black canvas over white':<54} {summary['on_black']['psnr_aa']:+6.2f} dB", ""]
    lines += [f"Primitives at which default equals paper with {plan['count']}"]
    needed = summary["needed"]
    lines += [f"{pair['target']:<12} {pair['template']:<12} {_number(pair)}" for pair in needed["pairs"]]
    lines += [f"{'mean':<25} {_number(needed)}", "", "Seconds of a whole process, start-up included"]
    lines += [f"{row['target']:<12} {row['template']:<12} {row['seconds']:5.1f}" for row in results["processes"]]
    return "\n".join(lines)


_HEAD = (
    f"{'target':<12} {'template':<12} {'way':<22} {'count':>5} {'psnr':>6} {'ssim':>6} {'aa':>6} {'ssim':>6} "
    f"{'black':>6} {'time':>8}"
)


def _line(row: Row) -> str:
    way = _LABELS.get(row["way"], row["way"])
    numbers = f"{row['psnr']:6.2f} {row['ssim']:6.3f} {row['psnr_aa']:6.2f} {row['ssim_aa']:6.3f}"
    names = f"{row['target']:<12} {row['template']:<12} {way:<22} {row.get('count', ''):>5}"
    return f"{names} {numbers} {row['psnr_on_black']:6.2f} {row['seconds']:6.1f} s"


def _explain_seeds(seeds: dict[str, Any]) -> str:
    lines = [f"{'target':<12} {'template':<12} {'psnr':>6} {'ssim':>6} {'spread':>7} {'to the anchor':>14}"]
    for pair in seeds["pairs"]:
        anchor = f"{pair['anchor']['psnr']:+.2f} dB" if "anchor" in pair else ""
        numbers = f"{pair['psnr']:6.2f} {pair['ssim']:6.3f} {pair['spread']:7.2f}"
        lines.append(f"{pair['target']:<12} {pair['template']:<12} {numbers} {anchor:>14}")
    if seeds["anchor"] is not None:
        lines.append(f"mean difference to the anchor: {seeds['anchor']:+.2f} dB")
    return "\n".join(lines)


def _number(needed: dict[str, Any]) -> str:
    relation = {-1: "at most ", 0: "", 1: "more than "}[needed["beyond"]]
    return f"{relation}{needed['count']:.0f}"


def _needed(rows: list[Row], paper: list[Row]) -> dict[str, Any]:
    """The number of primitives with which `default` equals `paper`: by pair, and of the means."""
    goals = {pair: group[0]["psnr_aa"] for pair, group in _by_pair(paper).items()}
    curves = {pair: {row["count"]: row["psnr_aa"] for row in group} for pair, group in _by_pair(rows).items()}
    pairs = [
        {"target": target, "template": template, **_crossing(curves[target, template], goal)}
        for (target, template), goal in goals.items()
    ]
    shared = set.intersection(*(set(curve) for curve in curves.values()))
    mean = {count: sum(curve[count] for curve in curves.values()) / len(curves) for count in shared}
    return {"pairs": pairs, **_crossing(mean, sum(goals.values()) / len(goals))}


def _crossing(curve: dict[int, float], goal: float) -> dict[str, Any]:
    """The count at which the curve first reaches the goal, straight in the logarithm between its points.

    beyond: -1 where the first point is past the goal already, 1 where the last is not; count is that point's then.
    """
    points = sorted(curve.items())
    if points[0][1] >= goal:
        return {"count": points[0][0], "beyond": -1}
    for (low, below), (high, above) in pairwise(points):
        if above >= goal:
            return {"count": low * (high / low) ** ((goal - below) / (above - below)), "beyond": 0}
    return {"count": points[-1][0], "beyond": 1}


def _means(rows: list[Row]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in _METRICS}


def _gain(means: dict[str, float], over: dict[str, float]) -> dict[str, float]:
    differences = {name: means[name] - over[name] for name in ("psnr", "ssim", "psnr_aa", "ssim_aa")}
    return {**differences, "time": means["seconds"] / over["seconds"] if over["seconds"] > 0 else math.inf}


def _by_way(rows: list[Row]) -> dict[str, list[Row]]:
    return _grouped(rows, lambda row: row["way"])


def _by_pair(rows: list[Row]) -> dict[tuple[str, str], list[Row]]:
    return _grouped(rows, lambda row: (row["target"], row["template"]))


def _grouped(rows: list[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups
