"""Locks: one process at a time, and none where the file system has none."""

import errno
import os
import threading

import pytest

from bench.store import locks

from ..patience import LONG


def test_a_lock_that_is_held_is_busy_for_others_and_free_afterwards(tmp_path):
    path = tmp_path / "locks" / "a.lock"
    with locks.held(path):
        with pytest.raises(locks.Busy), locks.held(path, wait=False):
            pass
        with locks.held(
            tmp_path / "locks" / "b.lock"
        ):  # another one, as of a part that a fit needs
            pass
    with locks.held(path, wait=False):
        pass


def test_whether_a_lock_is_held_can_be_asked_and_makes_no_file(tmp_path):
    path = tmp_path / "a.lock"
    assert not locks.is_held(path)
    assert not path.exists()
    with locks.held(path):
        assert locks.is_held(path)
    assert not locks.is_held(path)


def test_an_error_in_the_block_lets_go_of_it(tmp_path):
    with pytest.raises(ZeroDivisionError, match="inside"), locks.held(tmp_path / "a.lock"):
        raise ZeroDivisionError("inside")
    with locks.held(tmp_path / "a.lock", wait=False):
        pass


def test_threads_take_turns(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(20):
            with locks.held(tmp_path / "a.lock"):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 60


def test_who_waited_for_a_file_that_is_gone_takes_turns_with_who_comes_later(tmp_path):
    """A builder removes the file before it lets go; the waiter must not hold the lock of a file
    that nobody else sees."""
    path, got = tmp_path / "a.lock", threading.Event()
    done, waits = threading.Event(), threading.Event()

    def wait():
        with locks.held(path, waits.set):
            got.set()
            done.wait(LONG)

    waiter = threading.Thread(target=wait)
    with locks.held(path):
        waiter.start()
        waits.wait(LONG)
        path.unlink()
    assert got.wait(LONG)
    with pytest.raises(locks.Busy), locks.held(path, wait=False):
        pass
    done.set()
    waiter.join()


def test_where_files_have_no_locks_work_goes_on_and_it_is_said_once(tmp_path, monkeypatch, capsys):
    fcntl = pytest.importorskip("fcntl")

    def flock(*_):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", flock)
    for _ in range(2):
        with locks.held(tmp_path / "a.lock"), locks.held(tmp_path / "a.lock"):
            pass
    said = capsys.readouterr().err
    assert (
        said
        == f"store: {tmp_path} has no working file locks: two runs may do the same work twice\n"
    )
