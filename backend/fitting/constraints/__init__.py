"""Constraints on primitives: limits, palette, spacing, usage."""
