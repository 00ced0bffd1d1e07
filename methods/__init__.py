"""Colourization methods: `NAME.py` registers a method and imports no torch; `NAME_model.py` is the
method."""

PLUGINS: tuple[str, ...] = (
    "cheat",
    "controls",
    "cvae",
    "mdn",
    "precomputed",
    "vae",
    "zhang",
    "zhang_coherent",
)
"""The modules that register something. A new one adds its name here, and is found at once."""
