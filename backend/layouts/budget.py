"""The most that a clip made of layouts may hold."""

from __future__ import annotations

from ..job import UserError

MAX_STATES = 2**27
"""Most states of a clip, one for each stamp in each frame: 5 GB."""


def check_states(frames: int, stamps: int) -> None:
    """Raises UserError for a clip of more than MAX_STATES."""
    if frames * stamps > MAX_STATES:
        raise UserError(
            f"A clip of {frames:,} frames with {stamps:,} stamps is too large: make {MAX_STATES // stamps:,} frames "
            "at most, or use fewer stamps"
        )
