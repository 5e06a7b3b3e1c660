"""An augmentation, an optimizer, data sets and a tracker for zoo."""
