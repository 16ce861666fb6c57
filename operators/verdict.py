"""What the backend's own check has found, in plain words."""

from __future__ import annotations

import json


def verdict_of(output: str, reason: str) -> tuple[bool, str]:
    """Whether the backend works, and a sentence that says so, from what `doctor --json` printed.

    reason: why there may be nothing of use in it.
    """
    try:
        engines = json.loads(output)["engines"]
    except (ValueError, KeyError, TypeError):
        return False, f"The backend does not work: {reason}"
    wrong = [engine["name"] for engine in engines if not engine["works"] and engine["image_error"] is not None]
    if wrong:
        return False, f"The engine {', '.join(wrong)} differs from the reference: choose another one"
    usable = [engine for engine in engines if engine["works"] and engine["name"] != "reference"]
    missing = [f"{engine['name']} does not run ({engine['cause']})" for engine in engines if not engine["works"]]
    if not usable:
        return False, f"The backend is slow: {'; '.join(missing)}"
    devices = ", ".join(f"{engine['name']} on {engine['device']}" for engine in usable)
    return True, "; ".join([f"The backend works, proven equal to the reference: {devices}", *missing])
