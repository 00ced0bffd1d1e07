"""Reports: tables and figures made from the results of one or several runs."""

PLUGINS: tuple[str, ...] = (
    "ab_plane",
    "comparison",
    "curves",
    "diversity_table",
    "eob_variance",
    "overview",
    "page",
    "paper_tables",
    "picture_grid",
    "ranking",
    "score_differences",
    "score_tables",
    "seed_variance",
)
"""The modules that register something. A new one adds its name here, and is found at once."""
