"""The recipe `default`: structure-aware start, Adam, relocation."""
