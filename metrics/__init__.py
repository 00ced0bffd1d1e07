"""Metrics of sample sets: one file a metric."""

PLUGINS: tuple[str, ...] = (
    "absolute_error",
    "accuracy",
    "auc",
    "chroma_speckle",
    "colourfulness",
    "crps",
    "diversity",
    "energy_score",
    "error_of_best",
    "error_of_best_curve",
    "fid",
    "frechet_ab",
    "law",
    "lpips",
    "negative_log_likelihood",
    "ranks",
    "spread_skill",
    "variance",
    "variogram_score",
)
"""The modules that register something. A new one adds its name here, and is found at once."""
