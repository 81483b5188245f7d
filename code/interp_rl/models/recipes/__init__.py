"""Training recipes: one readable file for each embedded model, which regenerates it from a seed."""
