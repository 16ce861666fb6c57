"""A plot of a clip's measurements."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..job import written_aside

_CURVES = (
    (("psnr", "PSNR, dB", "tab:blue"),),
    (("ssim", "SSIM", "tab:green"),),
    (("difference_error", "error of differences", "tab:red"), ("flicker", "flicker of static pixels", "tab:orange")),
    (("warping_error", "warping error", "tab:purple"),),
)
"""The curves of each plot: name in the metrics, label, color."""


def plot_metrics(metrics: dict[str, Any], frames: list[int], cuts: list[int], path: Path) -> None:
    """Plots a clip's metrics (metrics.clip.ClipMeter) over the scene's frames to a PNG.

    cuts: first frames of shots. Raises UserError where the file cannot be written.
    """
    figure = Figure(figsize=(9, 9), dpi=100)
    plots = figure.subplots(len(_CURVES), 1, sharex=True)
    figure.subplots_adjust(left=0.09, right=0.98, top=0.98, bottom=0.06, hspace=0.16)
    for axes, curves in zip(plots, _CURVES, strict=True):
        for name, label, color in curves:
            values = metrics["frames"][name]
            if any(value is not None for value in values):
                heights = [float("nan") if value is None else value for value in values]
                axes.plot(frames[: len(values)], heights, label=label, color=color, marker=".", markersize=3)
        for cut in cuts:
            axes.axvline(cut, color="0.6", linestyle=":", linewidth=1)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(loc="best", fontsize="small", frameon=False)
    plots[-1].set_xlabel("frame" + (" (dotted: another shot begins)" if cuts else ""))
    with written_aside(path, parents=False) as aside:
        FigureCanvasAgg(figure).print_png(str(aside))  # type: ignore[no-untyped-call]
