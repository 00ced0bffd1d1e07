"""Colourfulness, chroma speckle and the Fréchet distance in ab against SciPy, scikit-image and
NumPy."""

import warnings

import numpy as np
import pytest
import torch
from scipy import ndimage
from scipy.linalg import sqrtm
from skimage.color import lab2rgb
from torchmetrics.image.fid import _compute_fid

from bench.contracts import SampleSet
from bench.metrics.chroma_speckle import ChromaSpeckle, energy
from bench.metrics.colourfulness import (
    Colourfulness,
    ColourfulnessAbs,
    ColourfulnessDistance,
    colourfulness,
)
from bench.metrics.frechet_ab import MOMENTS, SIDES, FrechetAb

WEIGHTS = torch.tensor([[0.5, 0.25, 0.25], [0.1, 0.2, 0.7]])


@pytest.fixture
def batch(fields):
    """Samples that are more and less colourful than the truth, the first photograph's more and the
    second's less."""
    strength = torch.tensor([[0.9, 0.1, 0.6], [0.4, 0.1, 0.2]])[:, :, None, None, None]
    return SampleSet(strength * fields(1, 2, 3, 2, 64, 64), "modes", WEIGHTS), fields(
        2, 2, 2, 64, 64
    ) / 3


def by_column(metric, found):
    return metric.combine({variant: values for (variant, _), values in found.items()})


def hasler(ab, absolute):
    """As published, of a picture with lightness 50."""
    with warnings.catch_warnings():  # colours outside sRGB are clipped
        warnings.simplefilter("ignore")
        lab = np.concatenate([np.full((1, 64, 64), 50.0), ab.numpy().astype(np.float64)])
        red, green, blue = 255 * lab2rgb(lab, channel_axis=0)
    rg, yb = red - green, (red + green) / 2 - blue
    if absolute:
        rg, yb = np.absolute(rg), np.absolute(yb)
    return np.sqrt(rg.std() ** 2 + yb.std() ** 2) + 0.3 * np.sqrt(rg.mean() ** 2 + yb.mean() ** 2)


@pytest.mark.parametrize(("kind", "absolute"), [(Colourfulness, False), (ColourfulnessAbs, True)])
def test_colourfulness_is_the_formula(score, batch, kind, absolute):
    samples, truth = batch
    found = score(kind(), samples, truth)
    each = np.array([[hasler(field, absolute) for field in fields] for fields in samples.ab])
    assert found["mean-of-n", "all"] == pytest.approx((each * WEIGHTS.numpy()).sum(1), rel=1e-6)
    assert found["truth", "all"] == pytest.approx(
        [hasler(field, absolute) for field in truth], rel=1e-6
    )


def test_colourfulness_distance_by_photograph_and_of_the_means(score, batch):
    samples, truth = batch
    found = score(ColourfulnessDistance(), samples, truth)
    combined = by_column(ColourfulnessDistance(), found)
    for name, absolute in (("signed", False), ("abs", True)):
        each = np.array([[hasler(field, absolute) for field in fields] for fields in samples.ab])
        true = np.array([hasler(field, absolute) for field in truth])
        assert found[name, "all"] == pytest.approx(
            (abs(each - true[:, None]) * WEIGHTS.numpy()).sum(1), rel=1e-6
        )
        difference = abs((each * WEIGHTS.numpy()).sum(1).mean() - true.mean())
        assert combined[f"{name}-difference-of-means"] == pytest.approx(difference, rel=1e-6)


def test_both_colourfulnesses_agree_for_one_sided_colours_only():
    rng = np.random.default_rng(0)
    red = torch.from_numpy(
        np.stack([rng.uniform(0.7, 1, (64, 64)), *rng.uniform(0.2, 0.4, (2, 64, 64))])
    )
    assert float(colourfulness(red, True)) == pytest.approx(
        float(colourfulness(red, False)), rel=1e-9
    )
    about_grey = torch.from_numpy(0.5 + rng.normal(0, 0.05, (3, 64, 64)))
    assert float(colourfulness(about_grey, True)) < 0.95 * float(colourfulness(about_grey, False))
    assert float(colourfulness(torch.full((3, 64, 64), 0.3, dtype=torch.float64), False)) == 0


def test_speckle_is_the_energy_behind_immerkaers_mask(score, batch):
    samples, truth = batch
    mask = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]])

    def masked(field):
        return (
            np.mean(
                [
                    ndimage.convolve(c.astype(np.float64), mask)[1:-1, 1:-1] ** 2
                    for c in field.numpy()
                ]
            )
            / 36
        )

    found = score(ChromaSpeckle(), samples, truth)
    each = np.array([[masked(field) for field in fields] for fields in samples.ab])
    assert found["samples", "all"] == pytest.approx((each * WEIGHTS.numpy()).sum(1), rel=1e-6)
    assert found["truth", "all"] == pytest.approx([masked(field) for field in truth], rel=1e-6)
    expected = found["samples", "all"].mean() / found["truth", "all"].mean()
    assert by_column(ChromaSpeckle(), found)["ratio"] == pytest.approx(expected, rel=1e-12)


def test_speckle_is_the_variance_of_noise_and_blind_to_smooth_colour():
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    ramp = torch.stack([rows + 2 * columns, 0.01 * rows**2 - columns])
    assert float(energy(ramp)) == pytest.approx(0, abs=1e-9)
    noise = torch.randn(
        400, 2, 64, 64, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    assert float(energy(ramp + 5 * noise).mean()) == pytest.approx(25, rel=0.01)


def test_speckle_of_truths_without_energy_has_no_value_and_combines_over_leading_axes():
    rng = np.random.default_rng(1)
    columns = {"samples": rng.uniform(1, 2, (3, 4)), "truth": rng.uniform(1, 2, (3, 4))}
    columns["truth"][1] = 0
    found = ChromaSpeckle().combine(columns)["ratio"]
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[2] == pytest.approx(columns["samples"][2].sum() / columns["truth"][2].sum())


def gaussians(samples, truth):
    pixels = samples.ab.double().numpy().transpose(0, 1, 3, 4, 2).reshape(-1, 2)
    counted = np.repeat(WEIGHTS.numpy().astype(np.float64).ravel(), 64**2)
    return [
        (np.average(p, axis=0, weights=w), np.cov(p.T, aweights=w, ddof=0))
        for p, w in (
            (pixels, counted),
            (truth.double().numpy().transpose(0, 2, 3, 1).reshape(-1, 2), None),
        )
    ]


def test_frechet_ab_is_scipys_and_torchmetrics_on_pooled_pixels(fields, score):
    mixing = torch.tensor([[1.0, 0.4], [0.0, 0.7]])
    ab = torch.einsum("ij,bkjhw->bkihw", mixing, fields(1, 2, 3, 2, 64, 64)) + 5
    samples, truth = SampleSet(ab, "modes", WEIGHTS), fields(2, 2, 2, 64, 64) / 3
    found = score(FrechetAb(), samples, truth)
    assert set(found) == {(f"part-{side}-{moment}", "all") for side in SIDES for moment in MOMENTS}
    distance = by_column(FrechetAb(), found)["distance"]
    (mean, covariance), (true_mean, true_covariance) = gaussians(samples, truth)
    root = np.real(sqrtm(covariance @ true_covariance))
    squared = ((mean - true_mean) ** 2).sum() + np.trace(covariance + true_covariance - 2 * root)
    assert distance == pytest.approx(np.sqrt(squared), rel=1e-6)
    tensors = [torch.from_numpy(v) for v in (mean, covariance, true_mean, true_covariance)]
    assert distance**2 == pytest.approx(float(_compute_fid(*tensors)), rel=1e-6)


def test_frechet_ab_of_the_truth_shifted_and_exchanged(fields, score):
    truth = fields(2, 3, 2, 64, 64)
    for samples, expected in (
        (truth, 0),
        (truth.flip(0), 0),
        (truth + torch.tensor([3.0, 4.0])[:, None, None], 5),
    ):
        found = by_column(FrechetAb(), score(FrechetAb(), samples[:, None], truth))["distance"]
        assert found == pytest.approx(expected, abs=1e-5)
    grey = by_column(FrechetAb(), score(FrechetAb(), torch.zeros(3, 1, 2, 64, 64), truth))[
        "distance"
    ]
    assert grey == pytest.approx(np.sqrt(2 * (truth.double().numpy() ** 2).mean()), rel=1e-6)


def test_frechet_ab_combines_over_leading_axes(fields, score):
    found = score(FrechetAb(), fields(1, 5, 2, 2, 64, 64) / 2, fields(2, 5, 2, 64, 64))
    columns = {variant: values for (variant, _), values in found.items()}
    resample = np.random.default_rng(0).integers(0, 5, (4, 5))
    many = FrechetAb().combine({name: values[resample] for name, values in columns.items()})[
        "distance"
    ]
    for rows, value in zip(resample, many):
        assert FrechetAb().combine({name: values[rows] for name, values in columns.items()})[
            "distance"
        ] == pytest.approx(value)


@pytest.mark.parametrize(
    "metric",
    [Colourfulness(), ColourfulnessAbs(), ColourfulnessDistance(), ChromaSpeckle(), FrechetAb()],
)
@pytest.mark.parametrize("k", [1, 100])
def test_one_sample_a_hundred_and_batches(fields, score, metric, k):
    truth, ab = fields(1, 2, 2, 64, 64), fields(2, 2, k, 2, 64, 64)
    whole, alone = score(metric, ab, truth), score(metric, ab[1:].double(), truth[1:].double())
    for key, values in whole.items():
        assert np.isfinite(values).all()
        assert alone[key] == pytest.approx(values[1:], rel=1e-9)
