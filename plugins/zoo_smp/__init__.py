"""Generators from segmentation-models-pytorch: ten and more decoders over hundreds of encoders."""
