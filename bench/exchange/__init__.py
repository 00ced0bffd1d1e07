"""Colourizations of programs elsewhere: what they get, and what they give back."""
