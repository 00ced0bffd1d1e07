"""`bench export-inputs` and `bench check-outputs`: for models that live elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bench.cli.options import FOLDER, of_a_run
from bench.specs import PRESENTED
from bench.text import say


@click.command("export-inputs")
@click.argument("dataset")
@click.argument("folder", type=FOLDER, metavar="DIR")
@of_a_run("protocol")
@of_a_run("k")
@of_a_run("draws")
@of_a_run("limit_test")
@of_a_run("splits")
@of_a_run("store")
@of_a_run("data_home")
@of_a_run("strict")
def export_inputs(dataset: str, folder: Path, **options: Any) -> None:
    """Write the grey test photographs of DATASET (or a folder) to DIR, for a program that colours
    them."""
    from bench.contracts.request import Request
    from bench.engine import progress
    from bench.exchange import export

    request = Request(datasets=(dataset,), **options)
    count = export.export_inputs(request, folder, progress.choose())
    say(f"{count} inputs: {folder}")
    say(export.LAYOUT)


@click.command("check-outputs")
@click.argument("inputs", type=FOLDER)
@click.argument("outputs", type=FOLDER)
@click.option("--kind", required=True, type=click.Choice(PRESENTED), help="What the files are.")
@click.option("-k", type=int, help="Colourizations that will be presented [as exported].")
@click.option("--draws", type=int, help="Independent draws that will be scored [as exported].")
def check_outputs(inputs: Path, outputs: Path, kind: Any, k: int | None, draws: int | None) -> None:
    """List all that is missing, extra, misnamed, wrongly sized or damaged in OUTPUTS, made from
    exported INPUTS."""
    from bench.engine import progress
    from bench.exchange import check as checking
    from bench.exchange import export

    check = export.check_outputs(inputs, outputs, kind, k, draws)
    problems = [*check.problems, *check.unreadable(progress.choose())]
    for problem in problems:
        say(f"{problem.kind}: {problem.where}: {problem.why}")
    checking.require(problems, outputs)
    for remark in checking.remarks(check, inputs):
        say(f"remark: {remark}")
    say(f"{len(check.wanted.ids)} photographs, {check.found.count} files, kind {kind}: complete")
