"""How close pictures and clips are to their targets."""
