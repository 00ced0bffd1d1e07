"""Colourization methods: `NAME.py` registers a method and imports no torch; `NAME_model.py` is the
method."""
