"""U-Net generators."""
