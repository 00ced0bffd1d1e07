"""Rules for methods: making, fitting, keeping, and what surrounds them."""

from __future__ import annotations

import copy
import json
import time
from pathlib import Path
from typing import Any

from bench.testing.answers import apart
from bench.testing.method_subject import OTHER, SEED, MethodSubject, read_answers, whether
from bench.testing.results import Broken, NotApplicable, describe
from bench.testing.rules.spec_rules import others
from bench.testing.state import changed, random_states, recorded_work, settings

GRACE = 10.0
"""Seconds within which a killed process has to be gone."""


def constructor_only_stores(subject: MethodSubject) -> str | None:
    """The constructor takes the declared parameters by keyword, stores each, and does nothing else:
    no files, no arrays or networks, no random numbers."""
    values = {p.name: next(others(p)) for p in subject.spec.parameters if p.required} | _usual(
        subject
    )
    factory = subject.spec.load()
    mend = "store the parameters and do all work in fit"
    try:
        factory(**values)  # once before: modules that it imports are imported
        before = random_states()
        with recorded_work() as events:
            made = factory(**values)
    except Exception as error:
        raise Broken(
            f"called with {', '.join(values) or 'nothing'} it raised {describe(error)}",
            "let its parameters be the declared ones, and let fit or `incompatible` judge them",
        ) from error
    if events:
        raise Broken(f"it does {events[0]}", mend)
    if names := changed(before, random_states()):
        raise Broken(f"it draws random numbers ({', '.join(names)})", mend)
    if heavy := next((name for name, value in _state(made).items() if _is_heavy(value)), ""):
        raise Broken(f"self.{heavy} is a {type(_state(made)[heavy]).__name__} already", mend)
    _stores_each(subject, factory, values, made)
    return None


def incompatible_gives_a_reason(subject: MethodSubject) -> str | None:
    """`incompatible(dataset, count)` answers before any fit, for any number of photographs, with
    None or a reason of one line."""
    method = subject.new()
    for count in (0, 1, 2, 24, 100_000):
        found = method.incompatible("any-set", count)
        if found is not None and (not isinstance(found, str) or not found.strip() or "\n" in found):
            raise Broken(
                f"incompatible('any-set', {count}) is {found!r}",
                "return None, or why it can't be fitted in one line",
            )
    return None


def fits(subject: MethodSubject) -> str | None:
    """With its test parameters it can be fitted on a few photographs within the time limit, here
    and in a fresh process, and what it notes of the fit can be written as JSON."""
    _, report = subject.elsewhere
    if report["notes"]:
        raise Broken(
            f"context.notes: {report['notes']}",
            "note plain numbers, texts and lists: float(x), x.tolist()",
        )
    _ = subject.fitted
    return f"{report['seconds']:.1f} s"


def one_seed_one_fit(subject: MethodSubject) -> str | None:
    """Fitted twice with one seed, a method answers the same, in whatever process and global random
    state."""
    folder, report = subject.elsewhere
    if report["unanswered"]:
        raise Broken(
            f"fitted in a fresh process: {report['unanswered']}",
            "let predict need nothing but what fit learnt",
        )
    if difference := apart(read_answers(folder), subject.first):
        raise Broken(
            f"two fits with the same context.seed: {difference}",
            "take every random number of fit from context.seed; fix the order of sets and of "
            "folders",
        )
    again = subject.answers(method=subject.fit_again(OTHER).method)
    return (
        "another seed gives another fit" if apart(again, subject.first) else "fits are not random"
    )


def saves_safetensors_and_json(subject: MethodSubject) -> str | None:
    """`save` writes files of safetensors and JSON, and nothing else: what is shared must not run
    code when it is read."""
    from safetensors import SafetensorError, safe_open

    for path in sorted(p for p in subject.saved.rglob("*") if p.is_file()):
        try:
            if path.suffix == ".json":
                json.loads(path.read_text("utf-8"))
            elif path.suffix == ".safetensors":
                with safe_open(path, "pt"):
                    pass
            else:
                raise ValueError("no .safetensors and no .json")
        except (ValueError, SafetensorError) as error:
            mend = "save tensors by safetensors.torch.save_file and the rest by bench.store.files.write_json"
            raise Broken(f"{path.name}: {describe(error)}", mend) from error
    return None


def loads_what_it_saved(subject: MethodSubject) -> str | None:
    """A new object that loads what was saved answers the same."""
    method = subject.session.ground.load(subject.recipe, SEED, subject.saved)
    if difference := apart(subject.answers(method=method), subject.first):
        raise Broken(
            f"after loading, {difference}",
            "save all that predict reads, and put networks into eval mode",
        )
    return None


def works_in_a_fresh_process(subject: MethodSubject) -> str | None:
    """Made and loaded in a process that has seen nothing of it, it answers the same."""
    job = subject.job(fit=str(subject.saved))
    folder, report = subject.session.warm.run("load", job, subject.session.limit)
    mend = "keep nothing in module variables, open files or this process' memory: load must need the folder alone"
    if report is None:
        raise Broken(f"it was still loading after {subject.session.limit:g} s", mend)
    if wrong := report.get("error") or report["unanswered"]:
        raise Broken(wrong, mend)
    if difference := apart(read_answers(folder), subject.first):
        raise Broken(f"there, {difference}", mend)
    return None


def leaves_no_process(subject: MethodSubject) -> str | None:
    """A fit that is killed at a deadline, with its process group, leaves no process behind."""
    children = subject.session.warm
    if not Path("/proc/self/environ").exists():
        raise NotApplicable("this system does not list the processes that a process has begun")
    before = children.leftovers()
    job = subject.begin_fit()
    job.wait("started.json", subject.session.limit)
    job.wait("result.json", 0.5 * subject.elsewhere[1]["seconds"])  # in the middle of the fit
    job.kill()
    end = time.monotonic() + GRACE
    while (left := children.leftovers() - before) and time.monotonic() < end:
        time.sleep(0.05)
    names = _end(left)
    if left:
        raise Broken(
            f"{len(left)} process(es) outlive it: {', '.join(names)}",
            "don't begin processes in sessions of their own (start_new_session, setsid, daemons): "
            "a timeout kills the process group",
        )
    return None


def random_state_untouched(subject: MethodSubject) -> str | None:
    """The global random states of torch, NumPy and Python are after fitting and predicting what
    they were before."""
    mend = "use torch.Generator and numpy.random.default_rng; wrap what takes global numbers in torch.random.fork_rng"
    if names := changed(*subject.fitted.states):
        raise Broken(f"fit moves the state of {', '.join(names)}", mend)
    before = random_states()
    subject.answers()
    if names := changed(before, random_states()):
        raise Broken(f"predicting moves the state of {', '.join(names)}", mend)
    return None


def settings_untouched(subject: MethodSubject) -> str | None:
    """Number of threads, deterministic mode, default dtype, gradient mode and working folder are
    left as they were."""
    mend = "set it back in a `finally`, or as a context manager"
    if names := changed(*subject.fitted.settings):
        raise Broken(f"fit changes {', '.join(names)}", mend)
    before = settings()
    subject.answers()
    after = settings()
    if names := changed(before, after):
        raise Broken(f"predicting changes {', '.join(names)}", mend)
    return None


def _usual(subject: MethodSubject) -> dict[str, Any]:
    try:
        return subject.parameters()
    except NotApplicable:
        return {p.name: p.default for p in subject.spec.parameters if not p.required}


def _state(made: object) -> dict[str, Any]:
    return dict(getattr(made, "__dict__", {}))


def _is_heavy(value: object) -> bool:
    import numpy as np
    import torch

    return isinstance(value, np.ndarray | torch.Tensor | torch.nn.Module)


def _stores_each(
    subject: MethodSubject, factory: Any, values: dict[str, Any], made: object
) -> None:
    """Another value of a parameter must leave a trace; slots and objects that compare by identity
    are taken at their word."""
    if not hasattr(made, "__dict__"):
        return
    for parameter in subject.spec.parameters:
        other = next((v for v in others(parameter) if v != values[parameter.name]), None)
        if other is None:
            continue
        changed_values = {**copy.deepcopy(values), parameter.name: other}
        if error := whether(lambda given=changed_values: factory(**given)):
            raise Broken(
                f"with {parameter.name}={other} it raised {error}",
                "let fit, or `incompatible`, judge values",
            )
        if _state(factory(**changed_values)) == _state(made):
            raise Broken(
                f"{parameter.name}={values[parameter.name]} and {parameter.name}={other} make the "
                "same object",
                f"store it: self.{parameter.name} = {parameter.name}",
            )


def _end(numbers: set[int]) -> list[str]:
    """Kill what is left over; the names of the processes."""
    import os
    import signal
    from contextlib import suppress

    names = []
    for number in numbers:
        with suppress(OSError):
            names.append(Path(f"/proc/{number}/comm").read_text("utf-8", "replace").strip())
            os.kill(number, signal.SIGKILL)
    return names


def capabilities_are_true(subject: MethodSubject) -> str | None:
    """What the spec declares (sample, mean, mode, log_prob, features, encode, decode, reconstruct)
    works; what the contract has and the spec does not declare refuses with a BenchError."""
    from bench.testing.rules import capabilities

    for name in capabilities.KNOWN:
        declared = name in subject.spec.capabilities
        wrong = capabilities.wrong(subject, name)
        if declared and wrong:
            raise Broken(
                f"{name} is declared, but {wrong}",
                f"make it work, or take {name} from the spec's capabilities",
            )
        if not declared and not wrong and name in capabilities.REFUSED:
            raise Broken(
                f"{name} works and is not declared",
                f"add '{name}' to the spec's capabilities, or don't define it",
            )
    unknown = sorted(subject.spec.capabilities - set(capabilities.KNOWN))
    if unknown:
        raise Broken(
            f"capabilities {', '.join(unknown)} are unknown",
            f"the known ones are {', '.join(capabilities.KNOWN)}",
        )
    return None
