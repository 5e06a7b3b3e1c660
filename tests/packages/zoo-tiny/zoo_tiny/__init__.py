"""Tiny components for zoo."""
