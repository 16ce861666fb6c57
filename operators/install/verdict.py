"""Turns the result of the backend's own check into a sentence."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """Result of a check. works: whether a fast engine works and none is wrong. complete: whether the check finished."""

    works: bool
    sentence: str
    complete: bool


def judge(output: str, reason: str, has_card: bool) -> Verdict:
    """Judges the output of `backend doctor --json`, which may have other lines around it.

    reason: why it wrote nothing, if so. has_card: whether there is an NVIDIA card that should be used.
    """
    try:
        engines = json.loads(output[output.index("{") : output.rindex("}") + 1])["engines"]
    except (ValueError, KeyError, TypeError):
        return Verdict(False, f"The backend does not work: {reason}", False)
    wrong = [engine["name"] for engine in engines if not engine["works"] and engine["image_error"] is not None]
    if wrong:
        return Verdict(False, f"The engine {', '.join(wrong)} differs from the reference: choose another", True)
    usable = [engine for engine in engines if engine["works"] and engine["name"] != "reference"]
    missing = [
        f"{_title(engine)} does not run: {engine['cause']}"
        for engine in engines
        if not engine["works"] and (engine["name"] == "cpu" or (has_card and engine["name"] != "reference"))
    ]
    if not usable:
        return Verdict(False, f"The backend works, but very slowly. {'. '.join(missing)}", True)
    ready = f"Ready: {' and '.join(engine['device'] for engine in usable)}"
    if all(engine["image_error"] is not None for engine in usable):  # the reference needs PyTorch
        ready += f", {'each ' if len(usable) > 1 else ''}proven equal to the reference"
    return Verdict(True, ". ".join([ready, *missing]), True)


def _title(engine: dict[str, Any]) -> str:
    return {"cpu": "The engine for the CPU"}.get(engine["name"], "The engine for NVIDIA cards")
