"""Fits: writes their jobs, starts, shows, continues and recovers them."""
