"""What the backend's own check found, in plain words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Verdict:
    """works: whether there is a fast engine and none that is wrong. complete: whether the check ran to its end."""

    works: bool
    sentence: str
    complete: bool


def judge(output: str, reason: str, has_card: bool) -> Verdict:
    """Reads what `backend doctor --json` wrote, other lines around it or not.

    reason: why it wrote none, if so. has_card: there is an NVIDIA card, so that it matters whether that is used.
    """
    try:
        engines = json.loads(output[output.index("{") : output.rindex("}") + 1])["engines"]
    except (ValueError, KeyError, TypeError):
        return Verdict(False, f"The backend does not work: {reason}", False)
    wrong = [engine["name"] for engine in engines if not engine["works"] and engine["image_error"] is not None]
    if wrong:
        return Verdict(False, f"The engine {', '.join(wrong)} differs from the reference: choose another one", True)
    usable = [engine for engine in engines if engine["works"] and engine["name"] != "reference"]
    missing = [
        f"{_title(engine)} does not run: {engine['cause']}"
        for engine in engines
        if not engine["works"] and (has_card or engine["name"] == "cpu")
    ]
    if not usable:
        return Verdict(False, f"The backend works, but very slowly. {'. '.join(missing)}", True)
    each = ", each proven" if len(usable) > 1 else ", proven"
    ready = f"Ready: {' and '.join(engine['device'] for engine in usable)}{each} equal to the reference"
    return Verdict(True, ". ".join([ready, *missing]), True)


def _title(engine: dict[str, Any]) -> str:
    return {"cpu": "The engine for the CPU"}.get(engine["name"], "The engine for NVIDIA cards")
