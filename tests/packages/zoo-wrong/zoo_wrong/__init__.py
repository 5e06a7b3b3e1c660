"""Components for zoo, each wrong in one way."""
