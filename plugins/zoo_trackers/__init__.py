"""Trackers: TensorBoard, Weights & Biases, and a CSV file."""
