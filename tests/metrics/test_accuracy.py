"""AuC, PSNR, SSIM and CIEDE2000 against scikit-image, torchmetrics and plain loops."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch
from skimage.color import deltaE_ciede2000, lab2rgb
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from skimage.transform import resize
from torchmetrics.functional.image import peak_signal_noise_ratio as torchmetrics_psnr
from torchmetrics.functional.image import structural_similarity_index_measure as torchmetrics_ssim

from bench.contracts import SampleSet
from bench.contracts.colour_weights import bin_centres
from bench.metrics.accuracy import Ciede2000, Psnr, Ssim, psnr, ssim
from bench.metrics.auc import Auc
from bench.metrics.shared import pictures
from bench.metrics.shared.ciede2000 import ciede2000

WAYS = ("mean-of-n", "of-the-mean", "best-of-n")

SHARMA = """
50 2.6772 -79.7751 50 0 -82.7485 2.0425
50 3.1571 -77.2803 50 0 -82.7485 2.8615
50 2.8361 -74.0200 50 0 -82.7485 3.4412
50 -1.3802 -84.2814 50 0 -82.7485 1.0000
50 -0.9009 -85.5211 50 0 -82.7485 1.0000
50 0 0 50 -1 2 2.3669
50 -1 2 50 0 0 2.3669
50 2.49 -0.001 50 -2.49 0.0009 7.1792
50 2.49 -0.001 50 -2.49 0.0010 7.1792
50 2.49 -0.001 50 -2.49 0.0011 7.2195
50 2.49 -0.001 50 -2.49 0.0012 7.2195
50 -0.001 2.49 50 0.0009 -2.49 4.8045
50 -0.001 2.49 50 0.0010 -2.49 4.8045
50 -0.001 2.49 50 0.0011 -2.49 4.7461
50 2.5 0 50 0 -2.5 4.3065
50 2.5 0 73 25 -18 27.1492
50 2.5 0 61 -5 29 22.8977
50 2.5 0 56 -27 -3 31.9030
50 2.5 0 58 24 15 19.4535
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""
"""Pairs of Sharma et al. 2005, table 1: the blue region, hues across 0, opposite hues, large
differences."""


@pytest.fixture(scope="module")
def grey():
    return lambda count: (
        100 * torch.rand(count, 1, 256, 256, generator=torch.Generator().manual_seed(1))
    )


@pytest.fixture(scope="module")
def prior():
    shares = np.random.default_rng(3).gamma(0.3, size=313)
    return np.maximum(shares / shares.sum(), 1e-5)


def to_rgb(lightness, ab):
    with warnings.catch_warnings():  # colours outside sRGB are clipped by both
        warnings.simplefilter("ignore")
        return lab2rgb(np.concatenate([lightness[None], ab.astype(np.float64)]), channel_axis=0)


def block_mean(grey):
    return grey.numpy().astype(np.float64).reshape(64, 4, 64, 4).mean((1, 3))


def test_rgb_is_scikit_images_for_colours_inside_and_outside_srgb():
    rng = np.random.default_rng(0)
    lightness = torch.from_numpy(
        np.append(rng.uniform(0, 100, 4000), [0, 0.5, 7.99, 8, 8.01, 100])[None]
    )
    ab = torch.from_numpy(rng.uniform(-110, 110, (2, 1, 4006)))
    ab[:, :, :500] /= 40
    found = pictures.rgb(lightness, ab).numpy()
    assert found == pytest.approx(to_rgb(lightness.numpy(), ab.numpy()), abs=1e-12)


def test_pictures_have_the_mean_lightness_of_blocks_and_enlarged_ones_the_whole(
    fields, context, grey
):
    light, ab = grey(2), fields(1, 2, 3, 2, 64, 64)
    found = pictures.of_samples(SampleSet(ab, "iid"), context(2, light))
    assert found[1, 2].numpy() == pytest.approx(
        to_rgb(block_mean(light[1, 0]), ab[1, 2].numpy()), abs=1e-9
    )
    smooth = ab[0] / 3
    large = [
        resize(plane, (256, 256), order=1, mode="edge", anti_aliasing=False)
        for plane in smooth[1].double().numpy()
    ]
    assert pictures.enlarged(light[0], smooth)[1].numpy() == pytest.approx(
        to_rgb(light[0, 0].numpy(), np.stack(large)), abs=1e-6
    )


def test_ciede2000_of_sharmas_pairs():
    table = torch.tensor(
        [[float(v) for v in line.split()] for line in SHARMA.split("\n") if line],
        dtype=torch.float64,
    )
    first, second = (table[:, i : i + 3].T[:, :, None] for i in (0, 3))
    assert ciede2000(first, second)[:, 0].numpy() == pytest.approx(table[:, 6].numpy(), abs=5e-5)
    assert ciede2000(second, first)[:, 0].numpy() == pytest.approx(table[:, 6].numpy(), abs=5e-5)


def test_ciede2000_is_scikit_images_for_random_grey_and_nearly_equal_colours():
    rng = np.random.default_rng(4)
    first = rng.uniform([[0], [-110], [-110]], [[100], [110], [110]], (3, 20000))
    second = rng.uniform([[0], [-110], [-110]], [[100], [110], [110]], (3, 20000))
    first[1:, :2000] = 0
    second[1:, 1000:3000] = 0
    second[:, 3000:6000] = first[:, 3000:6000] + rng.normal(0, 0.1, (3, 3000))
    second[:, 6000] = first[:, 6000]
    found = ciede2000(torch.from_numpy(first[:, None]), torch.from_numpy(second[:, None]))[
        0
    ].numpy()
    assert found == pytest.approx(
        deltaE_ciede2000(first, second, channel_axis=0), rel=1e-6, abs=1e-9
    )
    assert found[6000] == 0


def of_the_libraries(ab, true, lightness):
    """PSNR, SSIM and CIEDE2000 of one field by scikit-image."""
    picture, photo = to_rgb(lightness, ab), to_rgb(lightness, true)
    lab, lab_true = (np.concatenate([lightness[None], f.astype(np.float64)]) for f in (ab, true))
    return {
        Psnr: peak_signal_noise_ratio(photo, picture, data_range=1),
        Ssim: structural_similarity(
            photo,
            picture,
            channel_axis=0,
            data_range=1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        ),
        Ciede2000: deltaE_ciede2000(lab, lab_true, channel_axis=0).mean(),
    }


@pytest.mark.parametrize(
    ("count", "k", "dtype"), [(3, 4, torch.float32), (1, 1, torch.float64), (1, 100, torch.float32)]
)
def test_pictures_metrics_are_scikit_images(fields, context, score, grey, count, k, dtype):
    light, truth, ab = (
        grey(count),
        fields(1, count, 2, 64, 64).to(dtype) / 2,
        fields(2, count, k, 2, 64, 64).to(dtype),
    )
    flat = [block_mean(light[b, 0]) for b in range(count)]
    several = [
        [of_the_libraries(ab[b, i].numpy(), truth[b].numpy(), flat[b]) for i in range(k)]
        for b in range(count)
    ]
    middle = [
        of_the_libraries(ab[b].double().mean(0).numpy(), truth[b].numpy(), flat[b])
        for b in range(count)
    ]
    for kind, best in ((Psnr, np.max), (Ssim, np.max), (Ciede2000, np.min)):
        found = score(kind(), ab, truth, context(count, light))
        each = np.array([[one[kind] for one in row] for row in several])
        assert set(found) == {(way, "all") for way in WAYS}
        assert found["mean-of-n", "all"] == pytest.approx(each.mean(1), rel=1e-6)
        assert found["of-the-mean", "all"] == pytest.approx([one[kind] for one in middle], rel=1e-6)
        assert found["best-of-n", "all"] == pytest.approx(best(each, 1), rel=1e-6)


def test_psnr_and_ssim_are_torchmetrics():
    generator = torch.Generator().manual_seed(5)
    several, true = (
        torch.rand(*shape, 3, 64, 64, generator=generator, dtype=torch.float64)
        for shape in ((6,), ())
    )
    alike = true.expand(6, -1, -1, -1)
    _, full = torchmetrics_ssim(
        several, alike, data_range=1.0, reduction="none", return_full_image=True
    )
    inside = full[..., 5:-5, 5:-5].mean(
        (1, 2, 3)
    )  # torchmetrics' own mean includes reflected borders
    assert ssim(several, true).numpy() == pytest.approx(inside.numpy(), rel=1e-6)
    expected = torchmetrics_psnr(several, alike, data_range=1.0, reduction="none", dim=(1, 2, 3))
    assert psnr(several, true).numpy() == pytest.approx(expected.numpy(), rel=1e-6)


def test_the_truth_has_the_cap_in_decibels_and_is_like_itself(fields, context, score, grey):
    truth = fields(1, 2, 2, 64, 64)
    ab = truth[:, None].repeat(1, 3, 1, 1, 1)
    for kind, value in ((Psnr, 100.0), (Ssim, 1.0), (Ciede2000, 0.0)):
        for values in score(kind(), ab, truth, context(2, grey(2))).values():
            assert values == pytest.approx(np.full(2, value), abs=1e-9)


def test_means_are_weighted_where_samples_have_weights(fields, context, score, grey, prior):
    truth, ab = fields(1, 2, 2, 64, 64), fields(2, 2, 3, 2, 64, 64)
    weights = torch.tensor([[0.5, 0.25, 0.25], [0.0, 1.0, 0.0]])
    given = dataclasses.replace(context(2, grey(2)), prior=prior)
    doubled = torch.cat(
        [ab[:1, :1], ab[:1]], 1
    )  # the first photograph's weights, as four samples alike
    for metric, prefix in (
        (Psnr(), ""),
        (Ssim(), ""),
        (Ciede2000(), ""),
        (Auc(), "raw-"),
        (Auc(), "part-rebalanced-"),
    ):
        found = score(metric, SampleSet(ab, "modes", weights), truth, fresh(given))
        alike = score(metric, SampleSet(doubled, "iid"), truth[:1], fresh(given, 1))
        alone = score(metric, SampleSet(ab[1:, 1:2], "iid"), truth[1:], fresh(given, 1, start=1))
        for way in WAYS[:2]:
            assert found[prefix + way, "all"][0] == pytest.approx(
                alike[prefix + way, "all"][0], rel=1e-9
            )
            assert found[prefix + way, "all"][1] == pytest.approx(
                alone[prefix + way, "all"][0], rel=1e-9
            )


def fresh(given, count=2, start=0):
    return dataclasses.replace(given, grey=given.grey[start : start + count], _made={})


def test_batches_and_the_order_of_samples_change_nothing(fields, context, score, grey, prior):
    truth, ab = fields(1, 3, 2, 64, 64), fields(2, 3, 4, 2, 64, 64)
    given = dataclasses.replace(context(3, grey(3)), prior=prior)
    for metric in (Psnr(), Ssim(), Ciede2000(), Auc()):
        whole = score(metric, ab, truth, fresh(given, 3))
        turned = score(metric, ab.flip(1), truth, fresh(given, 3))
        alone = score(metric, ab[1:2], truth[1:2], fresh(given, 1, start=1))
        for key, values in whole.items():
            assert turned[key] == pytest.approx(values, rel=1e-9)
            assert alone[key] == pytest.approx(values[1:2], rel=1e-9)


def curve(ab, true, weights):
    """The area by definition: at each threshold the (weighted) share of pixels within it, summed
    over 151 thresholds."""
    distance = np.sqrt(((ab.astype(np.float64) - true.astype(np.float64)) ** 2).sum(0))
    return sum((weights * (distance <= t)).mean() for t in range(151)) / 151


def rarity(true, prior):
    middle = (
        np.floor(true.reshape(2, -1).T.astype(np.float64)) + 0.5
    )  # unit cells: how bins are defined here
    nearest = ((middle[:, None] - bin_centres()[None]) ** 2).sum(-1).argmin(1)
    return (1 / prior)[nearest].reshape(64, 64)


@pytest.mark.parametrize("k", [1, 4])
def test_auc_is_the_loop_over_thresholds_raw_and_rebalanced(fields, context, score, prior, k):
    truth, ab = torch.round(fields(1, 3, 2, 64, 64) / 2), torch.round(fields(2, 3, k, 2, 64, 64))
    given = dataclasses.replace(context(3), prior=prior)
    found = score(Auc(), ab, truth, given)
    weights = [rarity(true.numpy(), prior) for true in truth]
    ones = np.ones((64, 64))
    for prefix, factors in (("raw-", [ones] * 3), ("part-rebalanced-", weights)):
        each = np.array(
            [
                [curve(ab[b, i].numpy(), truth[b].numpy(), factors[b]) for i in range(k)]
                for b in range(3)
            ]
        )
        middle = [
            curve(ab[b].double().mean(0).numpy(), truth[b].numpy(), factors[b]) for b in range(3)
        ]
        assert found[prefix + "mean-of-n", "all"] == pytest.approx(each.mean(1), rel=1e-6)
        assert found[prefix + "best-of-n", "all"] == pytest.approx(each.max(1), rel=1e-6)
        assert found[prefix + "of-the-mean", "all"] == pytest.approx(middle, rel=1e-6)
    pooled = Auc().combine({variant: values for (variant, _), values in found.items()})
    assert set(pooled) == {f"rebalanced-{way}" for way in WAYS}
    everything = np.concatenate(
        weights
    )  # the three photographs as one: a ratio over the set, not a mean of ratios
    each = [
        curve(
            np.concatenate(list(ab[:, i].numpy()), 1),
            np.concatenate(list(truth.numpy()), 1),
            everything,
        )
        for i in range(k)
    ]
    assert pooled["rebalanced-mean-of-n"] == pytest.approx(
        np.mean(each) / everything.mean(), rel=1e-6
    )


def test_auc_of_grey_is_one_minus_the_mean_chroma_and_of_the_truth_one(
    fields, context, score, prior
):
    truth = fields(1, 2, 2, 64, 64)
    given = dataclasses.replace(context(2), prior=prior)
    found = score(Auc(), torch.zeros(2, 1, 2, 64, 64), truth, given)
    chroma = np.ceil(np.hypot(*truth.double().numpy().transpose(1, 0, 2, 3)))
    assert chroma.max() < 150
    assert found["raw-mean-of-n", "all"] == pytest.approx(1 - chroma.mean((1, 2)) / 151, rel=1e-9)
    perfect = Auc().combine(
        {v: x for (v, _), x in score(Auc(), truth[:, None], truth, fresh(given)).items()}
    )
    assert list(perfect.values()) == pytest.approx([1.0] * 3, abs=1e-12)


def test_auc_combines_over_leading_axes(prior):
    rng = np.random.default_rng(0)
    columns = {
        name: rng.uniform(1, 2, 7)
        for name in ("part-weight", *(f"part-rebalanced-{way}" for way in WAYS))
    }
    resample = rng.integers(0, 7, (5, 7))
    many = Auc().combine({name: values[resample] for name, values in columns.items()})
    for i, rows in enumerate(resample):
        one = Auc().combine({name: values[rows] for name, values in columns.items()})
        assert [many[name][i] for name in one] == pytest.approx(list(one.values()))
