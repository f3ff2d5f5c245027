"""Where the second factor keeps its state."""
