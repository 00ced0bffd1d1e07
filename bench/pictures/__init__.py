"""Photographs in files: formats, colour profiles, grey levels, and one photograph prepared under a
protocol."""
