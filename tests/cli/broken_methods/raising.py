"""A module that raises something else than ImportError."""

raise RuntimeError("no luck")
