"""A tiny trained model for zoo."""
