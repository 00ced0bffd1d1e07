"""Processes that do tasks, and several that do one together."""

import io
import queue
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from bench.contracts.execution import Quiet, Result, Task
from bench.contracts.request import Request
from bench.engine import rendezvous, runner
from bench.engine import request as requests
from bench.engine.work import Work
from bench.executors import child, processes, remote
from bench.executors import worker as worker_module
from bench.executors.child import Worker
from bench.machine import threads
from bench.store.local import Store

from ..patience import LONG


@pytest.fixture
def worker(tmp_path):
    return Worker(Request(), Store(tmp_path / "store"))


def test_a_process_is_ended_once(worker, monkeypatch):
    """Its number may be another process' later."""
    gone = worker._spawn()
    worker.end()
    assert gone.returncode is not None
    monkeypatch.setattr(child, "_kill", None)
    worker.end()


def test_a_process_that_can_not_be_started_is_a_lost_task_and_no_endless_wait(
    tmp_path, monkeypatch
):
    plan = SimpleNamespace(request=Request(), data={})
    pool = processes.Processes(Work(plan, Store(tmp_path), Quiet(), opened=tmp_path), 1)

    def refuse(*_, **__):
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    pool.start(Task("sampling", "cell"))
    task, result = pool.wait()
    pool.end()
    assert task.name == "sampling"
    assert result.lost
    assert "Resource temporarily unavailable" in result.reason


def test_a_gpu_that_is_not_there_is_said(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(processes.BenchError, match="this process sees no GPU"):
        processes.place(0, 2, Request(device="cuda"))


def test_processes_that_were_kept_for_a_run_are_ended(monkeypatch):
    ended = []
    kept = {
        (run, threading.get_ident()): SimpleNamespace(end=lambda run=run: ended.append(run))
        for run in ("/a", "/b", "/c")
    }
    monkeypatch.setattr(remote, "_workers", kept)
    remote.end("/b")
    assert (ended, len(kept)) == (["/b"], 2)


def test_the_others_wait_for_the_first_process_word_and_the_first_word_stays(tmp_path, monkeypatch):
    for name, value in rendezvous.variables(1, 0, 2, "127.0.0.1", 1, tmp_path).items():
        monkeypatch.setenv(name, value)
    assert rendezvous.here()
    assert not rendezvous.first()
    heard = queue.Queue()
    listener = threading.Thread(target=lambda: heard.put(rendezvous.hear("fit")), daemon=True)
    listener.start()
    with pytest.raises(queue.Empty):
        heard.get(timeout=0.5)
    rendezvous.say("fit", rendezvous.TRAIN)
    rendezvous.say("fit", rendezvous.KEPT)
    assert heard.get(timeout=LONG) == rendezvous.TRAIN


def test_a_task_s_process_does_not_read_all_photographs_against_their_digests_again(
    tmp_path, monkeypatch
):
    asked = Request(
        methods=("grey",), limit_train=4, limit_test=4, metrics=("psnr",), store=tmp_path / "store"
    )
    monkeypatch.setattr(requests, "publish", lambda folder: None)  # the run is still on
    runner.measure(asked, out=tmp_path / "run")
    monkeypatch.setattr("bench.store.local._sound", set())  # a new process
    read = []
    monkeypatch.setattr(
        "bench.store.digests.damage",
        lambda folder, files: read.append(folder.parent.parent.name) or "",
    )
    message = {
        "request": requests.message(requests.read(tmp_path / "run")),
        "checked": requests.checked(tmp_path / "run"),
    }
    assert worker_module._work(message, worker_module.Telling(io.StringIO()), Quiet()).plan.cells
    assert read == ["indexes", "duplicates"]  # both are small


@pytest.mark.parametrize(
    ("slots", "wanted", "cores", "said"),
    [
        (2, 2, 2, "--threads 1"),
        (2, 8, 8, "--threads 4"),
        (2, 4, 8, ""),
        (1, 8, 2, ""),
        (3, 1, 2, ""),
    ],
)
def test_threads_that_share_a_core_are_said(monkeypatch, slots, wanted, cores, said):
    monkeypatch.setattr(threads, "cores", lambda: cores)
    found = processes.crowded(slots, Request(threads=wanted))
    assert said in found
    assert bool(found) == bool(said)


def test_tasks_of_several_threads_take_turns(tmp_path, monkeypatch):
    """A fit beside another would be seeded by it, and kept under the right key."""
    inside, most = [], []

    def do(self, task):
        inside.append(task)
        most.append(len(inside))
        time.sleep(0.05)
        inside.remove(task)
        return Result()

    monkeypatch.setattr(Work, "_do", do)
    work = Work(SimpleNamespace(request=Request()), Store(tmp_path), Quiet())
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work.perform, (Task(str(number)) for number in range(8))))
    assert [result.reason for result in results] == [""] * 8
    assert most == [1] * 8
