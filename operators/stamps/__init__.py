"""The artist's stamps: their properties, their buttons, their pixels."""
