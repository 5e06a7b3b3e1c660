"""Metrics: what is measured on held-out photographs."""
