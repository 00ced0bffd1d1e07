"""Which scores stand together in a table: data, read by `score_tables`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["mean", "set", "flatness"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    source: `mean` over photographs, a value of the whole `set`, or the p of the χ² test of
    `flatness` of ranks, one a photograph. The variant `*` is every one that was measured, and its
    name goes into the title's braces. truth: the variant that holds the photographs' own value.
    """

    title: str
    metric: str
    variant: str
    source: Source = "mean"
    truth: str = ""


@dataclass(frozen=True)
class Part:
    """One table, and its title where a group has several."""

    columns: tuple[Column, ...]
    title: str = ""


@dataclass(frozen=True)
class Group:
    """Tables on one page. ask: of `draws`, or of what methods `present`. space: values compare
    within one only."""

    name: str
    title: str
    text: str
    parts: tuple[Part, ...]
    ask: Literal["draws", "present"] = "draws"
    space: bool = False


_CALIBRATION = Group(
    "calibration",
    "Calibration",
    "Whether the draws spread as the truth does. Spread–skill: 1 is right, less is too little "
    "spread. Coverage: the "
    "share of the truth's pixels inside central intervals of the draws is to be the nominal one, "
    "which the title gives "
    "in percent. Flatness: p of the χ² test that the truth has each rank among the draws equally "
    "often, one rank a "
    "photograph; a small p shows miscalibration, a large one shows nothing; with several training "
    "seeds it is the "
    "smallest p times their number. All of it is necessary, not sufficient: the law of all "
    "training colours is "
    "calibrated and knows nothing of the photograph.",
    (
        Part(
            (
                Column("Spread–skill ratio → 1", "spread-skill", "ratio", "set"),
                Column("Coverage, {}", "coverage", "*"),
            ),
            "Spread and coverage",
        ),
        Part(
            (
                Column("Random pixel, a", "rank-histogram", "rank-pixel-a", "flatness"),
                Column("Random pixel, b", "rank-histogram", "rank-pixel-b", "flatness"),
                Column("Mean colour, a", "rank-histogram", "rank-mean-a", "flatness"),
                Column("Mean colour, b", "rank-histogram", "rank-mean-b", "flatness"),
                Column("Distance to the others", "rank-histogram", "rank-distance", "flatness"),
            ),
            "Flatness of ranks: p",
        ),
    ),
)


def _accuracy(way: str, title: str) -> Part:
    columns = (
        Column("AuC, raw ↑", "auc", f"raw-{way}"),
        Column("AuC, rebalanced ↑", "auc", f"rebalanced-{way}", "set"),
        Column("PSNR, dB ↑", "psnr", way),
        Column("SSIM ↑", "ssim", way),
        Column("CIEDE2000 ↓", "ciede2000", way),
    )
    return Part(columns, title)


_WAYS = (
    _accuracy("mean-of-n", "Of one sample, on average (mean-of-n)"),
    _accuracy("of-the-mean", "Of the samples' mean field (of-the-mean)"),
    _accuracy("best-of-n", "Of the best sample, chosen with sight of the truth (best-of-n)"),
)
_NO_RANKING = (
    "How near pictures are to the photograph: no ranking. A photograph has many right "
    "colourizations, and this asks "
    "for one: it favours safe, dull colours, and the best of several favours spread. SSIM hardly "
    "sees colour; grey "
    "scores high in AuC and PSNR."
)
_DIVERSITY = Group(
    "diversity",
    "Diversity of draws",
    "How much the draws of a photograph differ. More is not better: noise and speckle raise all of "
    "it, and none of it "
    "looks at the truth. Variance and distance are of ab at the protocol's scale, entropies in "
    "bits over 313 colours.",
    (
        Part(
            (
                Column("Variance", "variance", "ab"),
                Column("Pairwise distance", "pairwise-distance", "ab"),
                Column("Effective modes", "effective-modes", "field"),
                Column("Entropy of all draws", "colour-entropy", "pooled"),
                Column("Entropy of one draw", "colour-entropy", "mean-of-n", truth="truth"),
                Column("Entropy at a pixel", "colour-entropy", "per-pixel"),
            )
        ),
    ),
)
_REALISM = Group(
    "realism",
    "Realism of draws",
    "Whether one draw looks like a photograph, without a network; none of it sees whether a colour "
    "fits. Colourfulness "
    "is to be read beside the photographs' own. ΔCF is the field's difference of means (absolute "
    "opponent channels), 0 "
    "for any method with the right average. Speckle: 1 is right, more is speckle, less is blur. "
    "Fréchet-ab compares "
    "means and covariances of all colours; it is not FID.",
    (
        Part(
            (
                Column("Colourfulness", "colourfulness", "mean-of-n", truth="truth"),
                Column("Colourfulness, abs", "colourfulness-abs", "mean-of-n", truth="truth"),
                Column("Distance from the photograph's ↓", "colourfulness-distance", "signed"),
                Column("ΔCF ↓", "colourfulness-distance", "abs-difference-of-means", "set"),
                Column("Speckle → 1", "chroma-speckle", "ratio", "set"),
                Column("Fréchet-ab ↓", "frechet-ab", "distance", "set"),
            )
        ),
    ),
)
_LIKELIHOOD = Group(
    "likelihood",
    "Likelihood",
    "Minus the log density that a method gives the truth. **Rows compare only within one space**, "
    "and densities of "
    "codes only for one and the same fitted codec.",
    (Part((Column("Negative log-likelihood, nats ↓", "negative-log-likelihood", "photograph"),)),),
    space=True,
)
_KNOWN_LAW = Group(
    "known-law",
    "Against the known law",
    "Only where P(C | G) is known. Both distances are 0 in expectation for the law alone, so "
    "single values may be "
    "below 0. More modes than the law's own draws cover are not better; one mode, repeated, has "
    "precision 1.",
    (
        Part(
            (
                Column("GED² ↓", "ged", "field"),
                Column("Distance to the law ↓", "law-distance", "law"),
                Column("Modes covered", "mode-coverage", "mass"),
                Column("Modes that the law's draws cover", "mode-coverage", "expected"),
                Column("Mode precision ↑", "mode-precision", "field"),
            )
        ),
    ),
)
_PRESENTED = Group(
    "presented",
    "What is presented",
    "Scores of the k colourizations that a method would show, with its own weights: draws, modes "
    "or cluster centres. "
    "They count as if they were the whole distribution, so numbers of different kind or k don't "
    "compare: no ranking.",
    (
        Part(
            (
                Column("Energy score ↓", "energy-score", "field"),
                Column("Variogram score ↓", "variogram-score", "grid"),
                Column("Mean error ↓", "absolute-error", "sum"),
                Column("Error-of-best, pixel-wise ↓", "error-of-best-pixel", "sum"),
                Column("Pairwise distance", "pairwise-distance", "ab"),
                Column("Effective modes", "effective-modes", "field"),
            )
        ),
    ),
    "present",
)
_PERCEPTUAL = Group(
    "perceptual",
    "Deep features of draws",
    "Optional metrics with local weights. They compare within one table only: between papers "
    "backbone, size, pairs and "
    "number of pictures differ. FID has no interval.",
    (
        Part((Column("LPIPS, {} ↓", "lpips", "*"),), "LPIPS to the photograph"),
        Part(
            (
                Column("LPIPS, {}", "lpips-pairwise", "*"),
                Column("FID ↓", "fid", "all-samples", "set"),
            ),
            "LPIPS between draws, and FID",
        ),
    ),
)

GROUPS = (
    _CALIBRATION,
    Group("accuracy", "Accuracy of draws", _NO_RANKING, _WAYS),
    Group(
        "accuracy-presented",
        "Accuracy of what is presented",
        f"{_NO_RANKING} Kinds and k differ.",
        _WAYS,
        "present",
    ),
    _DIVERSITY,
    _REALISM,
    _LIKELIHOOD,
    _KNOWN_LAW,
    _PRESENTED,
    _PERCEPTUAL,
)
