"""Augmentations: crops, mirror images, old film."""
