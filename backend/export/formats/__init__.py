"""One file format each, loaded when it is asked for."""
