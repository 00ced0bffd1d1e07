"""Sources of photographs. Each file is one plugin; `sources` is what they share: folders, tar
archives, LMDB."""

PLUGINS: tuple[str, ...] = (
    "church",
    "demo",
    "folder",
    "imagenet_val",
    "law_coupled",
    "law_hue",
    "law_palette",
    "lfw",
)
"""The modules that register something. A new one adds its name here, and is found at once."""
