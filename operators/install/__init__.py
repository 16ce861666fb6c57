"""From nothing to a checked backend environment."""
