"""Metrics of sample sets: one file a metric."""
