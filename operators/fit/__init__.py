"""Settings and pixels to a job: start it, watch it, continue it, recover it."""
