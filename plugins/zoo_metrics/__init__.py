"""Metrics over validation images."""
