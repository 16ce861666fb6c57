"""To be written."""

from __future__ import annotations

from .base import Exporter

EXPORTERS: dict[str, Exporter] = {}
