"""Layouts on disk and in time: the result folder, merging, animation."""
