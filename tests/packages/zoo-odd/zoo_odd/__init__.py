"""An augmentation and an optimizer for zoo."""
