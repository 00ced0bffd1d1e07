"""What methods look like in figures."""

from types import SimpleNamespace

from bench.reports.figures.style import looks, plain


def run(*methods):
    return SimpleNamespace(
        cells=[{"method": m, "role": "codec" if m == "vae" else "colourizer"} for m in methods]
    )


def test_a_method_looks_alike_whatever_else_a_figure_shows():
    results = [run("broken", "vae", "mdn", "mdn[k=2]", "grey")]
    whole = looks(["broken", "mdn", "mdn[k=2]", "grey"], {"grey"}, results)
    some = looks(["grey", "mdn[k=2] (claimed)", "mdn"], {"grey"}, results)
    for label, twin in {"grey": "grey", "mdn[k=2]": "mdn[k=2] (claimed)", "mdn": "mdn"}.items():
        one, other = whole[label], some[twin]
        assert (one.colour, one.marker, one.line) == (other.colour, other.marker, other.line)
    assert len({(look.colour, look.marker) for look in whole.values()}) == 4


def test_two_labels_of_one_method_look_different():
    found = looks(
        ["mdn (run a)", "mdn (run b)", "mdn (run c)"], (), [run("mdn", "grey"), run("mdn")]
    )
    assert len({(look.colour, look.marker) for look in found.values()}) == 3


def test_long_names_keep_both_ends():
    ten, twenty = (
        plain(f"precomputed[folder=outputs/my-model-epoch-{n},kind=iid] (claimed)", 40)
        for n in (10, 20)
    )
    assert ten != twenty
    assert len(ten) == len(twenty) == 40
    assert ten.endswith("(claimed)")
    assert ten.startswith("precomputed[")
    assert plain("short", 40) == "short"
