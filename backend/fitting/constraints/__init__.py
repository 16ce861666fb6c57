"""What a primitive may do: limits, palette, spacing, usage."""
