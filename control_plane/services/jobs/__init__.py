"""Detections that nobody waits for: taken in, worked on, shown and steered."""
