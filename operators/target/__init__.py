"""What the stamps are to become: its properties, its buttons, its pixels."""
