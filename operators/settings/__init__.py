"""Groups of properties that several rooms share."""
