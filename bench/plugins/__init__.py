"""Plugins: which are loaded, how they are written down, described and begun."""
