"""A page for every run: curves, samples over time, the recipe."""
