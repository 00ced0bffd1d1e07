"""huebench: a plugin-based benchmark of diverse image colourization."""

__version__ = "0.1.0"
