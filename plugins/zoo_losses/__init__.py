"""Losses: over pixels, over a critic's logits, and over the features of a network that was trained on photographs."""
