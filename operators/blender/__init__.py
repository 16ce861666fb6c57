"""Blender's data as arrays, renders, and differences between its versions. Nothing here knows DiffBMP."""
