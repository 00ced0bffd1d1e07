"""Fitted methods outside of their run: as folders, and for a person's own photographs."""
