"""Tidegate's metrics for Prometheus: what each is called and means, and where it is read."""
