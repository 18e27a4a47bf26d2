"""Where finished traces are sent."""
