"""The gate as a pytest fixture: a method's quality is a test like any other::

    def test_quality(bench_gate):
        bench_gate("mdn", dataset="demo", baseline="mdn.json", preset="tiny")

The run reuses the store; the test fails with the gate's table where something regressed. `pytest
--bench-write-baseline` writes the baselines instead. Nothing heavy is imported before the fixture
is called.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.text import one_line

if TYPE_CHECKING:
    from bench.contracts.request import Request
    from bench.gate.baseline import Baseline
    from bench.gate.margins import Settings
    from bench.gate.verdict import Gate
    from bench.results.run_folder import Results

WRITE = "--bench-write-baseline"
_WRITTEN = pytest.StashKey[list[str]]()


class GateWarning(pytest.PytestWarning):
    """A gate that passed, but could not tell everything."""


@dataclass(frozen=True)
class BenchGate:
    """What the fixture `bench_gate` is: call it with methods and a baseline."""

    test: Path
    """The test's file: paths count from its folder."""
    scratch: pytest.TempPathFactory
    written: list[str] | None
    """Where baselines are to be written: their paths."""

    def __call__(
        self,
        methods: str | Sequence[str],
        *,
        baseline: str | Path,
        dataset: str | Sequence[str] = "demo",
        margins: str | Path | Mapping[str, Any] | None = None,
        inconclusive: str = "",
        **choices: Any,
    ) -> Gate:
        """Run methods and hold them against a baseline; the test fails where they regressed, or
        can't be compared.

        margins: a `gate.toml`, or its table. inconclusive: `warn` or `fail`; empty is as the
        margins say. choices: fields of `bench.Request`. An undecided gate is a `GateWarning`.
        Without `metrics` the baseline's are computed.
        """
        from bench.errors import BenchError, ExitCode
        from bench.gate.output import table

        request = _Wanted(
            _several(methods), _several(dataset), self.test.parent / baseline, choices
        )
        try:
            gate = self._gate(request, self._settings(margins, inconclusive))
        except BenchError as error:
            pytest.fail(f"bench_gate: {one_line(error)}", pytrace=False)
        if gate.code != ExitCode.OK:
            pytest.fail(f"bench_gate: {one_line(gate.summary)}\n{table(gate)}", pytrace=False)
        if gate.of("inconclusive") or gate.warnings:
            warnings.warn(
                GateWarning(f"bench_gate: {one_line(gate.summary)}\n{table(gate)}"), stacklevel=2
            )
        return gate

    def _gate(self, wanted: _Wanted, settings: Settings) -> Gate:
        from bench.gate import baseline, verdict
        from bench.plugins.loader import registry

        if self.written is not None:
            run = self._run(wanted.request(None))
            baseline.write(baseline.make(run, wanted.baseline, wanted.names(), registry()))
            self.written.append(str(wanted.baseline))
        if not wanted.baseline.exists():
            pytest.fail(
                f"bench_gate: {wanted.baseline} is missing: `pytest {WRITE}` writes it",
                pytrace=False,
            )
        known = baseline.read(wanted.baseline)
        return verdict.judge(
            run if self.written is not None else self._run(wanted.request(known)),
            known,
            settings,
            registry(),
        )

    def _run(self, request: Request) -> Results:
        """The run; one in which every cell failed is one, too: its cells are regressions."""
        from bench.engine import runner
        from bench.errors import NothingMeasured
        from bench.results import run_folder

        folder = self.scratch.mktemp("bench-gate") / "run"
        try:
            return runner.measure(request, out=folder)
        except NothingMeasured:
            if not (folder / "scores.parquet").is_file():
                raise
            return run_folder.read(folder)

    def _settings(
        self, margins: str | Path | Mapping[str, Any] | None, inconclusive: str
    ) -> Settings:
        from bench.gate import margins as limits

        table: Mapping[str, Any] = margins if isinstance(margins, Mapping) else {}
        path = self.test.parent / margins if isinstance(margins, str | Path) else None
        found = limits.read(path) if path else limits.parse(table, "margins")
        return limits.parse({"inconclusive": inconclusive}, "bench_gate").over(found)


@dataclass(frozen=True)
class _Wanted:
    methods: tuple[str, ...]
    datasets: tuple[str, ...]
    baseline: Path
    choices: Mapping[str, Any]

    def names(self) -> list[str]:
        """Names of the metrics that are asked for, without parameters."""
        from bench.plugins import notation

        return [
            choice.name for choice in notation.parse_many(_several(self.choices.get("metrics", ())))
        ]

    def request(self, known: Baseline | None) -> Request:
        """What to run: of metrics those asked for, else the baseline's."""
        from bench.contracts.request import Request

        choices = dict(self.choices)
        metrics = _several(choices.pop("metrics", ())) or (tuple(_metrics(known)) if known else ())
        return Request(methods=self.methods, datasets=self.datasets, metrics=metrics, **choices)


def _metrics(known: Baseline) -> Iterator[str]:
    """The baseline's metrics with their parameters, which are in their versions: `1[p=1.0]`."""
    from bench.plugins.loader import registry
    from bench.scores import set_values

    for name, version in dict.fromkeys(
        (each.about.metric, each.about.metric_version) for each in known.series
    ):
        yield set_values.text_of(name, version, registry())


def _several(texts: str | Sequence[str]) -> tuple[str, ...]:
    return (texts,) if isinstance(texts, str) else tuple(texts)


@pytest.fixture
def bench_gate(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> BenchGate:
    """Hold methods against a committed baseline (`bench.gate.pytest_plugin.BenchGate`)."""
    return BenchGate(request.path, tmp_path_factory, request.config.stash.get(_WRITTEN, None))


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--bench-write-baseline`."""
    group = parser.getgroup("huebench")
    group.addoption(
        WRITE,
        action="store_true",
        help="write the baselines of tests with bench_gate anew, instead of holding runs "
        "against them",
    )


def pytest_configure(config: pytest.Config) -> None:
    """A list of what is written, where it is asked for."""
    if config.getoption(WRITE):
        config.stash[_WRITTEN] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say which baselines were written."""
    for path in config.stash.get(_WRITTEN, []):
        terminalreporter.write_line(f"baseline written: {one_line(path)}")
