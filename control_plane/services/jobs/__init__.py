"""Detections that nobody waits for: accepted, worked on, seen to, looked at, and handed on."""
