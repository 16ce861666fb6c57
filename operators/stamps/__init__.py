"""The artist's stamps: their properties, buttons and pixels."""
