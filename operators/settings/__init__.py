"""Groups of properties that several packages share."""
