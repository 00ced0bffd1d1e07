"""LPIPS and FID with small or random networks in local files; nothing is downloaded."""

import itertools
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.linalg import sqrtm
from torch import nn
from torchmetrics.functional.image import lpips as torchmetrics_lpips

from bench.contracts import SampleSet
from bench.errors import BenchError
from bench.metrics.fid import Fid
from bench.metrics.lpips import BetweenSamples, ToTruth
from bench.metrics.shared import lpips_net, pictures

SHAPES = {
    "alex": {
        0: (64, 3, 11),
        3: (192, 64, 5),
        6: (384, 192, 3),
        8: (256, 384, 3),
        10: (256, 256, 3),
    },
    "vgg": {
        0: (64, 3, 3),
        2: (64, 64, 3),
        5: (128, 64, 3),
        7: (128, 128, 3),
        10: (256, 128, 3),
        12: (256, 256, 3),
        14: (256, 256, 3),
        17: (512, 256, 3),
        19: (512, 512, 3),
        21: (512, 512, 3),
        24: (512, 512, 3),
        26: (512, 512, 3),
        28: (512, 512, 3),
    },
}
"""Convolutions of torchvision's `features`: place, and (out, in, side)."""


def random_state(net):
    generator = torch.Generator().manual_seed(0)
    state = {"classifier.1.bias": torch.zeros(3)}  # the released files have the classifier too
    for place, (out, into, side) in SHAPES[net].items():
        scale = (2 / (into * side * side)) ** 0.5
        state[f"features.{place}.weight"] = scale * torch.randn(
            out, into, side, side, generator=generator
        )
        state[f"features.{place}.bias"] = 0.1 * torch.randn(out, generator=generator)
    return state


@pytest.fixture(scope="module")
def alexnet(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "alexnet.pth"
    torch.save(random_state("alex"), path)
    return str(path)


@pytest.fixture
def small(context):
    """A context with grey pictures of 64x64, to be quick."""
    return lambda count: context(
        count, grey=100 * torch.rand(count, 1, 64, 64, generator=torch.Generator().manual_seed(7))
    )


@pytest.fixture
def theirs(monkeypatch):
    """torchmetrics' functional LPIPS `(first, second)` of pictures in [0, 1], with our random
    backbone for torchvision's."""

    def make(net):
        backbone = lpips_net._alexnet() if net == "alex" else lpips_net._vgg16()
        state = random_state(net).items()
        backbone.load_state_dict(
            {k.removeprefix("features."): v for k, v in state if k.startswith("features.")}
        )
        monkeypatch.setattr(torchmetrics_lpips, "_get_tv_model_features", lambda *_: backbone)
        return lambda first, second: torchmetrics_lpips.learned_perceptual_image_patch_similarity(
            first[None].float(), second[None].float(), net_type=net, normalize=True
        ).item()

    return make


def seen(samples, truth, given):
    """Pictures of the samples, the mean field and the truth, as float32."""
    mean = pictures.mean_field(samples, given)[:, None]
    return [
        [pictures.enlarged(g, f).float() for g, f in zip(given.grey, fields)]
        for fields in (samples.ab, mean, truth[:, None])
    ]


def test_lpips_is_torchmetrics_to_the_truth_and_between_samples(
    fields, score, small, alexnet, theirs
):
    truth, ab = fields(1, 2, 2, 64, 64) / 3, fields(2, 2, 3, 2, 64, 64) / 3
    weights = torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]])
    samples, their = SampleSet(ab, "modes", weights), theirs("alex")
    several, means, trues = seen(samples, truth, small(2))
    found = score(ToTruth(weights=alexnet), samples, truth, small(2))
    between = score(BetweenSamples(weights=alexnet), samples, truth, small(2))
    for b in range(2):
        each = np.array([their(picture, trues[b][0]) for picture in several[b]])
        assert found["alex-mean-of-n", "all"][b] == pytest.approx(
            (each * weights[b].numpy()).sum(), rel=1e-5
        )
        assert found["alex-best-of-n", "all"][b] == pytest.approx(each.min(), rel=1e-5)
        assert found["alex-of-the-mean", "all"][b] == pytest.approx(
            their(means[b][0], trues[b][0]), rel=1e-5
        )
        pairs = list(itertools.combinations(range(3), 2))
        distances = [their(several[b][i], several[b][j]) for i, j in pairs]
        mean = np.average(
            distances, weights=[float(weights[b][i] * weights[b][j]) for i, j in pairs]
        )
        assert between["alex-pairwise-all", "all"][b] == pytest.approx(mean, rel=1e-5)
        assert between["alex-pairwise-consecutive", "all"][b] == pytest.approx(
            (distances[0] + distances[2]) / 2, rel=1e-5
        )


def test_lpips_with_vgg_from_safetensors(fields, score, small, theirs, tmp_path):
    save_file(random_state("vgg"), tmp_path / "vgg.safetensors")
    truth, ab = fields(1, 1, 2, 64, 64) / 3, fields(2, 1, 1, 2, 64, 64) / 3
    found = score(
        ToTruth(weights=str(tmp_path / "vgg.safetensors"), net="vgg"), ab, truth, small(1)
    )
    several, _, trues = seen(SampleSet(ab, "iid"), truth, small(1))
    assert found["vgg-mean-of-n", "all"][0] == pytest.approx(
        theirs("vgg")(several[0][0], trues[0][0]), rel=1e-5
    )


def test_lpips_of_pictures_alike_is_zero_and_the_order_changes_nothing(
    fields, score, small, alexnet
):
    truth, ab = fields(1, 2, 2, 64, 64), fields(2, 2, 4, 2, 64, 64)
    nothing = pytest.approx(
        [0, 0], abs=1e-9
    )  # a convolution may round the pictures of one batch differently
    alike = score(ToTruth(weights=alexnet), truth[:, None].repeat(1, 2, 1, 1, 1), truth, small(2))
    assert all(values == nothing for values in alike.values())
    between = BetweenSamples(weights=alexnet)
    assert {v.tolist() == [0, 0] for v in score(between, ab[:, :1], truth, small(2)).values()} == {
        True
    }
    assert all(
        v == nothing
        for v in score(between, ab[:, :1].repeat(1, 3, 1, 1, 1), truth, small(2)).values()
    )
    there, back = (score(between, samples, truth, small(2)) for samples in (ab, ab.flip(1)))
    for key in there:
        assert (there[key] > 0).all()
        assert back[key] == pytest.approx(there[key], rel=1e-5)


@pytest.mark.parametrize("kind", [ToTruth, BetweenSamples])
def test_lpips_without_a_usable_file_says_what_to_fetch(kind, tmp_path, alexnet):
    with pytest.raises(
        BenchError,
        match=r"fetch torchvision's alexnet-owt-7be5be79.pth and give "
        r"lpips.*\[weights=PATH,net=alex\]",
    ):
        kind()
    with pytest.raises(
        BenchError, match=r"nothing.pth can't be read \(No such file.*vgg16-397923af.pth"
    ):
        kind(weights=str(tmp_path / "nothing.pth"), net="vgg")
    for name in ("text.pth", "text.safetensors"):
        (tmp_path / name).write_text(
            "not weights at all, but text that is long enough to have a header"
        )
        with pytest.raises(BenchError, match=f"{name} are not that backbone.*alexnet"):
            kind(weights=str(tmp_path / name))
    with pytest.raises(BenchError, match="are not that backbone"):
        kind(weights=alexnet, net="vgg")


class Touch:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.path.touch, ()


def test_files_that_would_run_code_are_refused(tmp_path):
    torch.save({"features.0.weight": Touch(tmp_path / "touched")}, tmp_path / "pickle.pth")
    with pytest.raises(BenchError, match="are not that backbone"):
        ToTruth(weights=str(tmp_path / "pickle.pth"))
    assert not (tmp_path / "touched").exists()


class Pooled(nn.Module):
    """Means of R, G, B in the four quarters, as features; colours by default, as the released file
    gives classes."""

    def forward(self, pictures: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        side = 2 if return_features else 1
        return torch.nn.functional.adaptive_avg_pool2d(
            pictures.float() / 255, (side, side)
        ).flatten(1)


class Unpooled(nn.Module):
    """Features that are no rows."""

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures.float()


def script(module, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.script(module).save(path)
    return str(path)


def test_fid_is_the_frechet_distance_of_all_samples_features(fields, context, tmp_path):
    light = 100 * torch.rand(20, 1, 256, 256, generator=torch.Generator().manual_seed(3))
    truth, ab = fields(1, 20, 2, 64, 64) / 2, fields(2, 20, 2, 2, 64, 64)
    ab = ab + 20 * fields(4, 20, 2, 2, 1, 1) / 90
    metric = Fid(weights=script(Pooled(), tmp_path / "pooled.pt"))
    for rows in (slice(0, 16), slice(16, 20)):
        given = context(len(truth[rows]), grey=light[rows])
        assert metric.score(SampleSet(ab[rows], "iid"), truth[rows], given) == []
    (found,) = metric.finish()

    def features(grey, field):
        picture = (255 * pictures.enlarged(grey, field[None])[0]).round().numpy() / 255
        return picture.reshape(3, 2, 128, 2, 128).mean((2, 4)).ravel()

    true = np.array([features(light[i], truth[i]) for i in range(20)])
    made = np.array([features(light[i], ab[i, j]) for i in range(20) for j in range(2)])
    root = np.real(sqrtm(np.cov(true.T) @ np.cov(made.T)))
    expected = ((true.mean(0) - made.mean(0)) ** 2).sum() + np.trace(
        np.cov(true.T) + np.cov(made.T) - 2 * root
    )
    assert (found.variant, np.isnan(found.low), np.isnan(found.high)) == ("all-samples", True, True)
    assert found.value == pytest.approx(expected, rel=1e-5)


def test_fid_of_the_truths_is_zero_and_of_one_photograph_refused(fields, context, tmp_path):
    path = script(Pooled(), tmp_path / "pooled.pt")
    truth, metric = fields(1, 15, 2, 64, 64), Fid(weights=path)
    metric.score(SampleSet(truth[:, None], "point"), truth, context(15))
    assert metric.finish()[0].value == pytest.approx(0, abs=1e-6)
    metric = Fid(weights=path)
    metric.score(SampleSet(truth[:1, None], "point"), truth[:1], context(1))
    with pytest.raises(BenchError, match="at least two photographs"):
        metric.finish()


def test_fid_without_a_usable_file_says_what_it_needs(tmp_path):
    (tmp_path / "text.pt").write_text("not a network")
    script(Unpooled(), tmp_path / "unpooled.pt")
    for weights, message in (
        (None, r"fid needs a local feature extractor: give fid\[weights=PATH\]"),
        (tmp_path / "nothing.pt", "nothing.pt: no such file: fid needs a TorchScript"),
        (tmp_path / "text.pt", "can't be read as TorchScript: fid needs"),
        (
            tmp_path / "unpooled.pt",
            r"features of two pictures are \(2, 3, 256, 256\), not \(2, d\)",
        ),
    ):
        with pytest.raises(BenchError, match=message):
            Fid(weights=weights and str(weights))
