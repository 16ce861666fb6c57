"""The target that the stamps form: its properties, its buttons, its pixels."""
