"""Similarity of pictures and clips to their targets."""
