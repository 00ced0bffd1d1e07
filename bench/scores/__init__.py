"""Scores: from stored samples to columns of values over photographs."""
