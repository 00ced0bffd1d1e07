"""The gate: is a run worse than a baseline by more than it may be?"""
