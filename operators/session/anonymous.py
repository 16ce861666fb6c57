"""Takes secrets and names out of texts that others may read. It knows nothing of Blender."""

from __future__ import annotations

import re


def without_secrets(text: str) -> str:
    """Returns a text without the names and passwords in its addresses."""
    return re.sub(r"(?<=://)[^/\s@\"']+@", "", text)
