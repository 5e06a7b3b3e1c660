"""From photographs to batches on the device: crop, mirror, convert."""
