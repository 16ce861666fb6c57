"""What a layer is: its pixels, its group, its place in the stack."""
