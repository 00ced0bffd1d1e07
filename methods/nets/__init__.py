"""The networks that the methods share, their losses and their codes."""
