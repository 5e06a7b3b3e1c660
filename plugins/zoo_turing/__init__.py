"""Original or coloured? A study in which people choose, and what its votes say of the models."""
