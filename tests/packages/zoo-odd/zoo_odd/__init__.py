"""Components for zoo."""
