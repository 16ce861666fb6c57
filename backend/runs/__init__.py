"""A job folder becomes a result folder: one module for each kind of job."""
