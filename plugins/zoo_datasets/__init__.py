"""Data sets of photographs: a folder of your own, drawn landscapes, and what torchvision offers."""
