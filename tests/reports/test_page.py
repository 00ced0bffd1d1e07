"""The page in a real browser, on a real run whose names are hostile."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

import bench as toolkit
from bench.contracts.execution import Quiet
from bench.errors import BenchError
from bench.output import Output, request
from bench.plugins.loader import registry
from bench.reports import page as page_module
from bench.reports.figures import gallery
from bench.reports.figures.gallery import disagreement
from bench.results import report

from ..patience import LONG, until

HOSTILE = "<script>alert(1)<script>.png"
FOLDER = "<img src=x onerror=alert(2)>"
QUICK = "zhang[batch=8,steps=2]"
METRICS = (
    "fair-energy-score",
    "fair-variogram-score",
    "fair-crps",
    "error-of-best",
    "variance",
    "psnr",
    "absolute-error",
)
METHODS = (QUICK, "zhang[batch=8,steps=3]", "marginal", "grey", "vae[batch=8,loss=l2,steps=2]")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """About 30 test photographs of 320, more than the page shows at once; some can't be read."""
    folder = tmp_path_factory.mktemp("page")
    photographs = folder / FOLDER
    photographs.mkdir()
    for i in range(290):
        small = Image.fromarray(
            np.random.default_rng(i).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        )
        small.resize((40, 40), Image.Resampling.BICUBIC).save(
            photographs / f"{i:03}{HOSTILE if i % 3 == 0 else '.png'}"
        )
    for i in range(30):
        (photographs / f"broken{i}.png").write_text("no image")
    return toolkit.run(
        methods=METHODS,
        datasets=(str(photographs),),
        preset="tiny",
        store=folder / "store",
        out=folder / "run",
        limit_train=60,
        metrics=METRICS,
        argv=("bench", "run", "--dataset", FOLDER),
    )


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next(
        (
            p
            for name in ("chromium", "chromium-browser", "google-chrome")
            if (p := shutil.which(name))
        ),
        None,
    )
    if not found:
        pytest.skip("no Chromium on this machine: install Debian's package chromium")
    quiet = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=found, args=quiet)
        yield made
        made.close()


@pytest.fixture
def page(run, browser):
    """The page, open; at the end nothing may have gone wrong on it."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.set_default_timeout(1000 * LONG)
    opened, wrong = context.new_page(), []
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on(
        "dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss())
    )
    opened.on("requestfailed", lambda request: wrong.append(f"failed: {request.url}"))
    opened.on(
        "request",
        lambda request: (
            request.url.startswith("file:") or wrong.append(f"not from disk: {request.url}")
        ),
    )
    opened.goto((run.folder / "report" / "index.html").as_uri())
    yield opened
    context.close()
    assert wrong == []


def data(run):
    text = (run.folder / "report" / "data.js").read_text()
    return json.loads(text.removeprefix("window.huebench = ").rstrip().removesuffix(";"))["walls"][
        0
    ]


def column(table, number):
    return [
        row.locator("td").nth(number).inner_text()
        for row in table.locator("tbody").first.locator("tr").all()
    ]


def test_hostile_names_are_shown_and_not_run(page, run):
    assert FOLDER in page.locator("header.top").inner_text()
    assert page.locator("script").count() == 2
    assert page.locator("img[src=x]").count() == 0
    hostile = [name for name in data(run)["images"] if HOSTILE in name]
    page.locator("#find").fill(HOSTILE)
    assert page.locator("article h4").first.text_content() == hostile[0]
    assert "photographs left out" in page.locator(".warnings").inner_text()
    assert "onerror" in page.locator("#reproduce pre").inner_text()


def test_the_ranking_sorts_by_what_is_clicked(page):
    table = page.locator("#overview table").first
    energy = next(
        i for i, head in enumerate(table.locator("thead th").all()) if "energy" in head.inner_text()
    )
    button = table.locator("thead th").nth(energy).locator("button")
    for direction in ("ascending", "descending"):
        button.click()
        assert table.locator("thead th").nth(energy).get_attribute("aria-sort") == direction
        values = [float(text.split()[0]) for text in column(table, energy)]
        assert len(values) == 2
        assert values == sorted(values, reverse=direction == "descending")
    table.locator("thead th").nth(1).locator("button").click()
    assert column(table, 1) == sorted(column(table, 1))
    assert table.locator("tbody.controls th").inner_text() == "controls"


def test_a_metric_is_explained_on_hover_and_on_focus(page):
    head = page.locator("#overview thead th", has_text="Fair energy score")
    tip = head.locator(".tip")
    assert not tip.is_visible()
    head.hover()
    assert "proper score" in tip.inner_text()
    page.mouse.move(0, 0)
    assert not tip.is_visible()
    head.locator("button").focus()
    assert tip.is_visible()


def test_every_explanation_can_be_reached_and_stays_on_the_screen(page):
    for summary in page.locator("#tables > details > summary").all():
        summary.click()
    for width in (1400, 400):
        page.set_viewport_size({"width": width, "height": 800})
        cells = page.locator("td:has(> .tip), th:has(> .tip)").all()
        assert len(cells) > 10
        for cell in cells[::5]:
            target = cell.locator("button").first if cell.locator("button").count() else cell
            target.focus()
            box = cell.locator(".tip").bounding_box()
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert target.get_attribute("aria-describedby") == cell.locator(".tip").get_attribute(
                "id"
            )


def test_controls_can_be_hidden_everywhere(page):
    assert page.locator("#overview tbody.controls").is_visible()
    assert page.locator("article").first.locator("text=marginal (control)").count() == 1
    page.locator("#controls").uncheck()
    assert not page.locator("#overview tbody.controls").is_visible()
    assert page.locator("article").first.locator("text=marginal (control)").count() == 0


def test_photographs_are_added_as_one_scrolls(page, run):
    count = len(run.test_images(FOLDER))
    assert page.locator("#count").inner_text() == f"{count} of {count} photographs"
    assert page.locator("article").count() == 24 < count
    page.locator("#more").scroll_into_view_if_needed()
    page.locator("article").nth(count - 1).wait_for(state="attached")
    assert not page.locator("#more").is_visible()
    names = page.locator("article h4").all_text_contents()
    assert names == data(run)["images"] == run.test_images(FOLDER)


def test_pictures_load_and_are_the_right_ones(page, run):
    described = data(run)
    first = page.locator("article").first
    first.scroll_into_view_if_needed()
    pictures = first.locator("img").all()
    assert len(pictures) == 1 + 5 + 5 + 5 + 1 + 1  # the codec is hidden at first
    for picture in pictures:
        picture.wait_for(state="visible")
        until(
            lambda picture=picture: picture.evaluate(
                "node => node.complete && node.naturalWidth > 0"
            )
        )
        size = picture.evaluate("node => [node.naturalWidth, node.naturalHeight]")
        assert size == [described["side"] * described["tiles"], described["side"]]
    strip = np.asarray(
        Image.open(run.folder / "report" / described["folder"] / "00000.jpg")
    ).astype(int)
    tiles = strip.reshape(described["side"], described["tiles"], described["side"], 3).transpose(
        1, 0, 2, 3
    )
    assert np.ptp(tiles[0].mean((0, 1))) < 2  # grey
    assert np.abs(tiles[0].mean() - tiles[-1].mean()) < 30
    grey = next(m for m in described["methods"] if m["label"] == "grey")
    assert np.abs(tiles[grey["start"]] - tiles[0]).mean() < 2


def test_methods_are_filtered(page):
    page.locator("#methods label", has_text="vae").locator("input").check()
    assert page.locator("article").first.locator("text=(codec)").count() == 1
    page.locator(f"#methods input[value='{QUICK}']").uncheck()
    assert page.locator("article").first.locator(f"p:text-is('{QUICK}')").count() == 0


def test_photographs_are_found_by_id(page, run):
    page.locator("#find").fill("00")
    wanted = [name for name in data(run)["images"] if "00" in name]
    assert wanted
    assert page.locator("article h4").all_text_contents() == wanted
    page.locator("#find").fill("no such photograph")
    assert page.locator("#count").inner_text().startswith("0 of ")


@pytest.mark.parametrize("backwards", [False, True])
def test_sorting_by_a_score_follows_the_table_of_scores(page, run, backwards):
    page.locator("#sort").select_option(label="fair-energy-score, draws")
    page.locator("#of").select_option(QUICK)
    page.locator("#reverse").set_checked(backwards)
    scores = run.scores.query(
        "metric == 'fair-energy-score' and ask == 'draws' and method == @QUICK and status == 'done'"
    )
    expected = scores.sort_values("value", ascending=not backwards)
    shown = [
        h.split("fair-energy-score")[0].strip()
        for h in page.locator("article h4").all_text_contents()
    ]
    values = expected.set_index("image")["value"]
    np.testing.assert_allclose(
        values[shown], values.iloc[: len(shown)], rtol=2e-3
    )  # ties of rounded numbers
    assert len(set(shown)) == min(24, len(values))
    value = page.locator("article h4 span").first.text_content().split(": ")[1]
    assert float(value) == pytest.approx(expected["value"].iloc[0], rel=1e-3)


def test_sorting_by_disagreement_shows_the_most_disputed_first(page, run):
    page.locator("#sort").select_option("disagreement")
    described = data(run)
    order = np.argsort(-np.array(described["disagreement"]), kind="stable")
    assert page.locator("article h4").first.text_content().startswith(described["images"][order[0]])


def test_the_best_and_the_worst_of_every_method_are_shown(page, run):
    page.locator("#extremes summary").click()
    page.locator("#extremes-list h4").nth(3).wait_for()
    assert page.locator("#extremes-list h4").all_inner_texts() == [*METHODS[:2], "marginal", "grey"]
    described = data(run)
    energy = next(m for m in described["measures"] if m["title"] == "fair-energy-score, draws")[
        "values"
    ][QUICK]
    shown = [
        float(text)
        for text in page.locator("#extremes-list .group-of")
        .first.locator(".extreme")
        .all_inner_texts()
    ]
    assert shown == sorted(energy)[:5]
    assert page.locator("#extremes-list p").first.inner_text() == "best"
    page.locator("#sort").select_option(
        label="variance, presented"
    )  # neither more nor less of it is better
    page.locator("#extremes-list p", has_text="lowest").first.wait_for()


def test_the_keyboard_opens_flips_steps_and_closes(page, run):
    tile = page.locator("article .tile").nth(1)
    tile.focus()
    page.keyboard.press("Enter")
    caption, first = page.locator("#caption"), data(run)["images"][0]
    assert caption.inner_text() == f"{first}: {QUICK}, 1 of 5"
    page.keyboard.press("ArrowRight")
    assert caption.inner_text() == f"{first}: {QUICK}, 2 of 5"
    page.keyboard.down(" ")
    assert caption.inner_text() == f"{first}: truth"
    page.keyboard.up(" ")
    assert caption.inner_text() == f"{first}: {QUICK}, 2 of 5"
    page.keyboard.press("ArrowDown")
    assert caption.inner_text().startswith(data(run)["images"][1])
    assert "fair-energy-score" in page.locator("#scores").inner_text()
    page.keyboard.press("Escape")
    assert not page.locator("#large").is_visible()
    tile.press("Enter")
    page.locator("#close").press(" ")
    assert not page.locator("#large").is_visible()


def test_holding_a_picture_shows_the_truth(page):
    page.locator("article .tile").nth(2).click()
    page.locator("#picture").hover()
    page.mouse.down()
    assert page.locator("#caption").inner_text().endswith(": truth")
    page.mouse.up()
    assert page.locator("#caption").inner_text().endswith("2 of 5")


def test_narrow_screens_do_not_scroll_sideways(page):
    page.set_viewport_size({"width": 400, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 400
    page.locator("article .tile").nth(1).click()
    assert page.locator("#large").bounding_box()["width"] <= 400


def test_dark_mode_is_dark(page):
    page.emulate_media(color_scheme="dark")
    colours = page.evaluate(
        "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
    )
    ground, ink = (
        np.mean([int(v) for v in c.removeprefix("rgb(").removesuffix(")").split(",")])
        for c in colours
    )
    assert ground < 40
    assert ink > 200


def test_the_foot_has_protocol_command_and_environment(page):
    foot = page.locator("#reproduce")
    assert "bench run --dataset" in foot.locator("pre").inner_text()
    for title in ("Protocol", "Environment", "Plugins", "Data"):
        foot.locator("summary", has_text=title).click()
    text = foot.inner_text()
    assert run_digest(foot) in text
    assert "torch" in text


def run_digest(foot):
    return foot.locator("tr", has_text="digest").first.locator("td").inner_text()


def test_all_that_the_page_needs_is_in_its_folder(run, tmp_path, browser):
    shutil.copytree(run.folder / "report", tmp_path / "moved")
    opened, failed = browser.new_page(), []
    opened.on("requestfailed", lambda request: failed.append(request.url))
    opened.goto((tmp_path / "moved" / "index.html").as_uri())
    opened.locator("article").first.wait_for()
    assert failed == []
    opened.close()


def test_what_is_not_wanted_is_not_made(run, tmp_path):
    out = request(tmp_path / "some", formats=["md,csv"], figures=["eob-variance"])
    report.write([run], out, registry(), Quiet())
    assert not (tmp_path / "some" / "report").exists()
    assert {p.suffix for p in (tmp_path / "some" / "tables").iterdir()} == {".md", ".csv"}
    assert {p.stem for p in (tmp_path / "some" / "figures").iterdir()} == {
        "eob-variance",
        "eob-variance-log",
    }
    assert out.entrance == tmp_path / "some" / "report.md"


def test_a_page_without_pictures(run, tmp_path, browser):
    out = request(tmp_path, formats=["html"], figures=["none"])
    report.write([run], out, registry(), Quiet())
    assert out.entrance == tmp_path / "report" / "index.html"
    assert not (tmp_path / "report" / "pictures").exists()
    opened, wrong = browser.new_page(), []
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.goto(out.entrance.as_uri())
    assert opened.locator("#gallery").count() == 0
    assert opened.locator("#overview tbody tr").count() >= 4
    assert wrong == []
    opened.close()


def test_unknown_formats_and_figures_are_refused(run, tmp_path):
    with pytest.raises(BenchError, match="unknown format 'htm': did you mean 'html'"):
        report.write([run], request(tmp_path, formats=["htm"]), registry(), Quiet())
    with pytest.raises(
        BenchError, match="unknown figure 'eob-varience': did you mean 'eob-variance'"
    ):
        report.write([run], request(tmp_path, figures=["eob-varience"]), registry(), Quiet())
    with pytest.raises(
        BenchError, match="no test photograph of these runs is named 'nobody'; one is "
    ):
        report.write(
            [run],
            request(tmp_path / "none", images=["nobody"]),
            registry(),
            Quiet(),
            ["picture-grid"],
        )
    assert not (tmp_path / "none").exists()


def test_photographs_of_grids_can_be_chosen(run, tmp_path):
    (chosen,) = [name for i, name in enumerate(run.test_images(FOLDER)) if i == 12]
    report.write([run], request(tmp_path, images=[chosen]), registry(), Quiet(), ["picture-grid"])
    (sheet, _) = sorted((tmp_path / "figures").iterdir())
    alone = Image.open(sheet).height
    report.write([run], Output(tmp_path / "b", count=3), registry(), Quiet(), ["picture-grid"])
    (sheet, _) = sorted((tmp_path / "b" / "figures").iterdir())
    assert Image.open(sheet).height > alone


def test_the_table_of_all_metrics_holds_the_means(run):
    table = (run.folder / "tables" / "overview.md").read_text()
    values = run.scores.query(
        "metric == 'psnr' and variant == 'mean-of-n' and ask == 'draws' and method == 'marginal'"
    )["value"]
    (line,) = [line for line in table.splitlines() if line.startswith("| psnr, mean-of-n ↑")][:1]
    assert f" {values.mean():.2f} [" in line or f" {values.mean():.1f} [" in line


def test_disagreement_is_the_distance_of_mean_fields():
    rng = np.random.default_rng(0)
    fields = [rng.normal(0, 20, (k, 2, 8, 8)) for k in (5, 1, 3)]
    pairs = [(0, 1), (0, 2), (1, 2)]
    expected = []
    for i, j in pairs:
        gaps = [
            [fields[i][:, c, y, x].mean() - fields[j][:, c, y, x].mean() for c in (0, 1)]
            for y in range(8)
            for x in range(8)
        ]
        expected.append(np.sqrt(np.mean([a**2 + b**2 for a, b in gaps])))
    assert disagreement(fields) == pytest.approx(np.mean(expected))
    assert np.isnan(disagreement(fields[:1]))


def test_pictures_are_as_large_as_the_page_may_be(run, monkeypatch):
    found = gallery.walls([run])
    sides = []
    for budget in (1e9, 2e6, 1e6, 1e3):
        monkeypatch.setattr(gallery, "BUDGET", budget)
        sides.append(gallery.picture_side(found))
    assert sides == sorted(sides, reverse=True)
    assert [sides[0], sides[-1]] == [192, 64]
    written = sum(p.stat().st_size for p in (run.folder / "report" / "pictures").rglob("*.jpg"))
    monkeypatch.setattr(gallery, "BUDGET", 1.3 * written)
    assert gallery.picture_side(found) == data(run)["side"] == 192


def test_of_a_large_set_the_first_photographs_are_shown(run, monkeypatch, tmp_path):
    every = gallery.walls([run])
    monkeypatch.setattr(gallery, "PHOTOGRAPHS", 3)
    some = gallery.walls([run])
    assert [list(w.images) for w in some] == [list(w.images)[:3] for w in every]
    described, paths = gallery.hang(some, tmp_path)
    assert [len(d["images"]) for d in described] == [3] * len(some)
    assert len(paths) == len(list(tmp_path.rglob("*.jpg"))) == 3 * len(some)


def test_a_folder_of_somebody_else_is_not_replaced_by_the_page(run, tmp_path):
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.tex").write_text("precious")
    with pytest.raises(BenchError, match="holds files that are no page of huebench"):
        report.write([run], request(tmp_path, figures=["none"]), registry(), Quiet(), ["page"])
    assert (tmp_path / "report" / "thesis.tex").read_text() == "precious"
    (tmp_path / "report" / "thesis.tex").unlink()
    for _ in range(2):  # an older page is
        report.write([run], request(tmp_path, figures=["none"]), registry(), Quiet(), ["page"])
    assert (tmp_path / "report" / "index.html").is_file()


def test_a_page_that_is_interrupted_leaves_the_older_one(run, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    made = request(tmp_path, figures=["none"])
    report.write([run], made, registry(), Quiet(), ["page"])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with monkeypatch.context() as patched:
        patched.setattr(page_module, "write_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            report.write([run], made, registry(), Quiet(), ["page"])
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    report.write([run], made, registry(), Quiet(), ["page"])
