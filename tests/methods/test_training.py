"""Training: killed and going on, checkpoints that can't be used, batches, precision and several
devices."""

import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from lightning.fabric.plugins.environments.lightning import find_free_network_port
from safetensors.torch import load_file
from torch import nn

from bench.contracts.execution import Quiet
from bench.engine import rendezvous
from bench.errors import BenchError
from bench.extend import checkpoints, features, training
from bench.extend.batches import Batches, InTurn, Shuffled
from bench.extend.checkpoints import Checkpoints, State
from bench.extend.training import Schedule, train
from bench.machine import threads
from bench.methods import mdn_model, zhang_model
from bench.methods.nets.codes import Balance
from bench.methods.nets.losses import LossChoice, fit_loss, kl_divergence

STEPS = 12
"""With a validation, and so a checkpoint, every three."""
SCRIPT = """
import os, signal, sys
from contextlib import contextmanager
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import House
from test_training import fitted_with_checkpoints

class Killer:
    step = 0
    @contextmanager
    def task(self, description, total):
        yield self
    def advance(self, steps=1, note=""):
        if note:
            self.step += steps
            if self.step == int(sys.argv[5]):
                os.kill(os.getpid(), signal.SIGKILL)
    def say(self, line):
        pass

fitted_with_checkpoints(House(Path(sys.argv[2])), sys.argv[3], Path(sys.argv[4]), Killer())
"""


class Listener(Quiet):
    """Remembers what it is told, and how far the bar of the training came."""

    def __init__(self):
        self.lines, self.advanced = [], []

    def say(self, line):
        self.lines.append(line)

    @contextmanager
    def task(self, description, total):
        self.advanced.clear()
        yield self

    def advance(self, steps=1, note=""):
        self.advanced.append((steps, note))

    @property
    def start(self):
        return self.advanced[0][0]


@contextmanager
def frequent_checkpoints():
    """One after every validation, however long it takes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "EVERY", 0.0)
        patch.setattr(training, "SHARE", 1e9)
        yield


def fitted_with_checkpoints(house, name, work, progress=None, steps=STEPS):
    """A method fitted with checkpoints, and what was noted."""
    context = dataclasses.replace(
        house.context(house.parts(name)), work=work, progress=progress or Quiet()
    )
    with frequent_checkpoints(), threads.pinned(1):
        return house.fit_again(name, context, steps=steps), context.notes


def same_state(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


@pytest.mark.parametrize(
    "name", ["vae", *(pytest.param(n, marks=pytest.mark.slow) for n in ("zhang", "cvae"))]
)
def test_a_killed_training_goes_on_and_ends_with_the_same_bits(house, name, tmp_path):
    whole, notes = fitted_with_checkpoints(house, name, None)
    step = random.Random(name).randrange(4, STEPS + 1)
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            SCRIPT,
            Path(__file__).parent,
            house.folder,
            name,
            tmp_path / "work",
            str(step),
        ],
        env={**os.environ, "PYTHONPATH": ""},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "work" / name).is_dir()
    listener = Listener()
    again, notes_again = fitted_with_checkpoints(house, name, tmp_path / "work", listener)
    assert listener.start == (step - 1) // 3 * 3  # the bar advances before the validation
    assert not listener.lines
    same_state(whole.network.state_dict(), again.network.state_dict())
    assert notes == notes_again


class Line(nn.Module):
    """Fits a line; with random numbers of its own in every step."""

    def __init__(self, noise=0.1, width=3):
        super().__init__()
        self.noise = noise
        with torch.random.fork_rng():
            torch.manual_seed(3)
            self.network = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, width))

    def forward(self, batch):
        x = batch["x"] + self.noise * torch.randn_like(batch["x"]) if self.training else batch["x"]
        return {"loss": (self.network(x) - batch["y"]).square().mean()}


def points(rows):
    x = torch.stack(
        [torch.randn(4, generator=torch.Generator().manual_seed(int(row))) for row in rows]
    )
    return {"x": x, "y": torch.cat([x[:, :2] * 2, x[:, 2:3] ** 2], dim=1)}


def fit_line(
    house, work=None, line=None, fetch=points, count=60, schedule=None, name="line", **changes
):
    line = line or Line()
    context = dataclasses.replace(house.context(), work=work, **changes)
    with frequent_checkpoints():
        train(line, fetch, count, schedule or Schedule(40, 1e-2, batch=16), context, name)
    return line, context.notes


def interrupted(house, work, step, **given):
    """The training up to some step, with its checkpoints."""

    def fetch(rows):
        if len(calls) >= step:
            raise OSError("the disk went away")
        calls.append(len(rows))
        return points(rows)

    calls = []
    with pytest.raises(OSError, match="the disk went away"):
        fit_line(house, work, fetch=fetch, **given)
    return sorted(p.name for p in (work / "line").iterdir())


def test_it_goes_on_from_any_checkpoint(house, tmp_path):
    whole, notes = fit_line(house)
    for fetched in (18, 28, 40):
        work = tmp_path / str(fetched)
        assert 1 <= len(interrupted(house, work, fetched)) <= checkpoints.KEPT
        line, notes_again = fit_line(house, work)
        same_state(whole.state_dict(), line.state_dict())
        assert notes == notes_again


def test_a_finished_training_is_not_repeated(house, tmp_path):
    whole, notes = fit_line(house, tmp_path)
    line, notes_again = fit_line(
        house, tmp_path, fetch=lambda rows: pytest.fail("nothing is to be read")
    )
    same_state(whole.state_dict(), line.state_dict())
    assert notes == notes_again


def test_two_checkpoints_are_kept(house, tmp_path):
    fit_line(house, tmp_path)
    assert sorted(p.name for p in (tmp_path / "line").iterdir()) == [
        "step-00000030",
        "step-00000040",
    ]


def truncated(folder):
    path = folder / "state.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def one_bit(folder):
    path = folder / "state.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


DAMAGE = {
    "truncated": truncated,
    "one bit": one_bit,
    "no tensors": lambda f: (f / "state.safetensors").unlink(),
    "no mark": lambda f: (f / "checkpoint.json").unlink(),
    "half a mark": lambda f: (f / "checkpoint.json").write_text("{"),
    "another mark": lambda f: (f / "checkpoint.json").write_text('{"files": 3}'),
    "a list": lambda f: (f / "checkpoint.json").write_text("[]"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_checkpoint_is_named_and_not_used(house, tmp_path, damage):
    whole, notes = fit_line(house)
    interrupted(house, tmp_path, 40)
    last, before = sorted((tmp_path / "line").iterdir(), reverse=True)
    damage(last)
    listener = Listener()
    line, notes_again = fit_line(house, tmp_path, progress=listener)
    assert len(listener.lines) == 1
    assert str(last) in listener.lines[0]
    assert listener.start == int(before.name[5:])
    same_state(whole.state_dict(), line.state_dict())
    assert notes == notes_again


def test_without_a_good_checkpoint_it_begins_anew(house, tmp_path):
    whole, _ = fit_line(house)
    for folder in interrupted(house, tmp_path, 40):
        truncated(tmp_path / "line" / folder)
    listener = Listener()
    line, _ = fit_line(house, tmp_path, progress=listener)
    assert len(listener.lines) == 2
    assert listener.start == 0
    same_state(whole.state_dict(), line.state_dict())


def test_what_was_half_written_is_swept(house, tmp_path):
    draft = tmp_path / "line" / ".step-00000010-abc"
    draft.mkdir(parents=True)
    (draft / "state.safetensors").write_bytes(b"half")
    fit_line(house, tmp_path)
    assert not draft.exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"schedule": Schedule(44, 1e-2, batch=16)}, "schedule"),
        ({"count": 61}, "count"),
        ({"seed": 6}, "seed"),
        ({"precision": "bfloat16"}, "precision"),
    ],
)
def test_a_checkpoint_of_another_training_is_not_used(house, tmp_path, change, named):
    fresh, _ = fit_line(house, **change)
    interrupted(house, tmp_path, 40)
    listener = Listener()
    line, _ = fit_line(house, tmp_path, progress=listener, **change)
    assert f"another training ({named} differ)" in listener.lines[0]
    assert listener.start == 0
    same_state(fresh.state_dict(), line.state_dict())


def test_other_shapes_are_another_training(house, tmp_path):
    interrupted(house, tmp_path, 40)
    listener = Listener()
    wide = {
        "fetch": lambda rows: {"x": points(rows)["x"], "y": points(rows)["x"]},
        "line": Line(width=4),
    }
    fit_line(house, tmp_path, progress=listener, **wide)
    assert "another training (shapes differ)" in listener.lines[0]


def test_checkpoints_hold_no_pickle(house, tmp_path):
    fit_line(house, tmp_path)
    assert {p.suffix for p in tmp_path.rglob("*") if p.is_file()} == {".json", ".safetensors"}


def test_a_checkpoint_that_can_not_be_written_is_one_line(tmp_path):
    (tmp_path / "taken").write_text("a file where the folder should be")
    with pytest.raises(BenchError, match=r"the store .*taken can't be written"):
        Checkpoints(tmp_path / "taken", {}).write(State(1, 0.5, 0.5, {"now.x": torch.ones(2)}))


def test_no_checkpoint_before_the_time(house, tmp_path):
    context = dataclasses.replace(house.context(), work=tmp_path)
    train(Line(), points, 60, Schedule(40, 1e-2, batch=16), context, "line")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_the_time_between_checkpoints_can_be_set(house, tmp_path, monkeypatch):
    context = dataclasses.replace(house.context(), work=tmp_path)
    monkeypatch.setenv("BENCH_CHECKPOINT_SECONDS", "0")
    train(Line(), points, 60, Schedule(40, 1e-2, batch=16), context, "line")
    assert list(tmp_path.rglob("*.safetensors"))
    monkeypatch.setenv("BENCH_CHECKPOINT_SECONDS", "soon")
    with pytest.raises(BenchError, match="BENCH_CHECKPOINT_SECONDS: 'soon' is no number"):
        train(Line(), points, 60, Schedule(40, 1e-2, batch=16), context, "again")


def test_every_epoch_has_every_photograph_once():
    order = Shuffled(first=10, count=64, size=16, seed=1)
    epochs = [np.concatenate([order(step) for step in range(e * 4, e * 4 + 4)]) for e in range(2)]
    for rows in epochs:
        assert sorted(rows) == list(range(10, 74))
    assert not np.array_equal(*epochs)
    assert np.array_equal(order(5), Shuffled(10, 64, 16, 1)(5))
    assert not np.array_equal(order(5), Shuffled(10, 64, 16, 2)(5))


def test_what_is_left_of_an_epoch_is_dropped():
    order = Shuffled(0, 19, 8, 0)
    assert [len(order(step)) for step in range(6)] == [8] * 6
    assert len(np.intersect1d(order(0), order(1))) == 0


def test_held_out_photographs_come_in_turn():
    assert np.concatenate([InTurn(130, 3)(i) for i in range(3)]).tolist() == list(range(130))


def test_batches_are_fetched_ahead_in_order(patience):
    asked, fetching = threading.Event(), []

    def fetch(rows):
        fetching.append(int(rows[0]))
        if rows[0] == 2:
            asked.set()
        return {"x": torch.tensor(rows)}

    with closing(Batches(fetch, lambda step: np.array([step]), range(6))) as batches:
        found = iter(batches)
        assert int(next(found)["x"]) == 0
        assert asked.wait(patience)  # the third, while only the first was asked for
        assert [int(b["x"]) for b in found] == [1, 2, 3, 4, 5]
    assert fetching == [0, 1, 2, 3, 4, 5]


def test_what_goes_wrong_in_fetching_is_raised_in_the_training(house):
    before = threading.active_count()

    def fetch(rows):
        raise BenchError("the data set is gone")

    with pytest.raises(BenchError, match="the data set is gone"):
        fit_line(house, fetch=fetch)
    assert threading.active_count() == before


def test_ctrl_c_stays_one_and_leaves_no_thread(house):
    before = threading.active_count(), signal.getsignal(signal.SIGINT)

    class Interrupting(Line):
        def forward(self, batch):
            os.kill(os.getpid(), signal.SIGINT)
            return super().forward(batch)

    with pytest.raises(KeyboardInterrupt):
        fit_line(house, line=Interrupting())
    assert (threading.active_count(), signal.getsignal(signal.SIGINT)) == before


@pytest.mark.parametrize("name", ["vae", "zhang", "cvae", "mdn"])
def test_training_in_bfloat16_has_losses_in_float32(house, name):
    wide, narrow = house.context(house.parts(name)), house.context(house.parts(name))
    narrow = dataclasses.replace(narrow, precision="bfloat16")
    house.fit_again(name, wide, steps=2)
    method = house.fit_again(name, narrow, steps=2)
    assert {v.dtype for v in method.network.state_dict().values() if v.is_floating_point()} == {
        torch.float32
    }
    for note in ("best_held_out_loss", "last_train_loss"):
        assert narrow.notes[note] == pytest.approx(wide.notes[note], rel=0.03)
        assert narrow.notes[note] != wide.notes[note]


def local_line(noise, wrong=float("inf")):
    """As `Line`, but a class that only this process knows: what other processes get must bring it
    along. It fails where an input is larger than `wrong`."""

    class Local(nn.Module):
        def __init__(self, network):
            super().__init__()
            self.network = network

        def forward(self, batch):
            x = batch["x"] + noise * torch.randn_like(batch["x"]) if self.training else batch["x"]
            return {"loss": (self.network(x) - batch["y"]).square().mean() / float(x.max() < wrong)}

    return Local(Line().network)


def test_two_devices_train_as_one(house, tmp_path):
    """45 photographs make uneven shares: 41 are trained with, in batches of 15."""
    count = 45
    np.save(tmp_path / "x.npy", np.stack([points([i])["x"][0].numpy() for i in range(count)]))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")[:count]

    def fetch(rows):
        x = torch.from_numpy(np.array(mapped[rows]))
        return {"x": x, "y": torch.cat([x[:, :2] * 2, x[:, 2:3] ** 2], dim=1)}

    given = {"fetch": fetch, "count": count, "schedule": Schedule(20, 1e-2, batch=15)}
    one, notes_of_one = fit_line(house, line=local_line(0.0), **given)
    listener, before = Listener(), dict(os.environ)
    two, notes = fit_line(
        house, line=local_line(0.0), devices=2, strategy="ddp", progress=listener, **given
    )
    assert sum(steps for steps, _ in listener.advanced) == 20
    assert dict(os.environ) == before
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], value, rtol=1e-4, atol=1e-5)
    assert notes["best_held_out_loss"] == pytest.approx(
        notes_of_one["best_held_out_loss"], rel=1e-4
    )


@pytest.mark.parametrize("shares", [(7,), (4, 3), (3, 2, 2), (2, 2, 2, 1)])
def test_the_shares_of_a_batch_weigh_as_much_as_their_photographs(monkeypatch, shares):
    """What devices do with their losses is the mean of the gradients: it is the gradient of the
    whole batch."""
    x = torch.arange(7.0).square()
    weight = nn.Parameter(torch.tensor(1.0))
    module = training._Module(nn.Module(), Schedule(4, 1e-2), 0, size=7)
    module.objective.forward = lambda batch: {"loss": (weight * batch["x"]).mean()}
    gradients = []
    for rank, part in enumerate(x.split(shares)):
        monkeypatch.setattr(training, "place", lambda rank=rank: (rank, len(shares)))
        with training.seeded(0):
            (gradient,) = torch.autograd.grad(module.training_step({"x": part}, 0), weight)
        gradients.append(float(gradient))
        assert float(module.last) == pytest.approx(float(part.mean()))
    assert sum(gradients) / len(shares) == pytest.approx(float(x.mean()))


class Fixed(nn.Module):
    """A network whose outputs are given."""

    def __init__(self, out):
        super().__init__()
        self.out = out

    def forward(self, *_):
        return self.out


def test_losses_of_bfloat16_networks_are_those_of_float32(house):
    """Only the networks' outputs are rounded: what is made of them is not."""
    grey, ab = house.train.grey(slice(0, 4)), house.train.truth(slice(0, 4))
    logits = 8 * torch.randn(4, 313, 32, 32, generator=torch.Generator().manual_seed(0))
    out = torch.randn(4, 6 * 5 + 6, generator=torch.Generator().manual_seed(1))
    code = {"features": grey, "mean": torch.randn(4, 5), "deviation": torch.ones(4, 5)}
    loss = fit_loss(
        LossChoice("full", "squared", 0.1, 1e-3, 0.0, "mean"), house.train, house.colours, 0
    )

    def losses(dtype):
        zhang = zhang_model._Objective(Fixed(logits.to(dtype)), np.ones(313), mirror=False)
        mixture = mdn_model._Network(Fixed(out.to(dtype)), 6, 5, 0.1)
        field, mean = (ab / 100).to(dtype), out[:, :5].to(dtype)
        parts = [zhang({"grey": grey, "ab": ab})["loss"]]
        parts += [
            mdn_model._Objective(mixture, kind).eval()(code)["loss"] for kind in ("exact", "min")
        ]
        return [*parts, loss(field, ab / 128).mean(), kl_divergence(mean, mean).mean()]

    logits, out = logits.bfloat16().float(), out.bfloat16().float()
    ab = (ab / 100).bfloat16().float() * 100
    exact = losses(torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = losses(torch.bfloat16)
    for one, other in zip(exact, rounded, strict=True):
        assert other.dtype == torch.float32
        torch.testing.assert_close(other, one, rtol=1e-5, atol=0)


def test_the_balance_is_part_of_the_state():
    one, other = Balance("auto"), Balance("auto")
    one(torch.tensor(1000.0), torch.tensor(5.0), 100)
    other.load_state_dict(one.state_dict())
    assert other.weight == one.weight == pytest.approx(20)


def test_an_error_in_another_process_is_one_line(house):
    with pytest.raises(BenchError, match=r"^the training loss became inf at step 0: lower `rate`$"):
        fit_line(house, line=local_line(0.0, wrong=-100.0), fetch=plain_points(), devices=2)


LASTING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import House
from test_training import Listener, Schedule, fit_line, local_line, plain_points

class Saying(Listener):
    def advance(self, steps=1, note=""):
        if note:
            print(note, flush=True)

if __name__ == "__main__":
    lasting = Schedule(10**6, 1e-2, batch=15)
    fit_line(House(Path(sys.argv[2])), line=local_line(0.1), fetch=plain_points(), schedule=lasting, devices=2, progress=Saying())
"""


def test_no_process_outlives_a_killed_training(house, tmp_path):
    (tmp_path / "lasting.py").write_text(LASTING)
    with subprocess.Popen(
        [sys.executable, tmp_path / "lasting.py", Path(__file__).parent, house.folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout.readline().startswith(b"loss")
        children = psutil.Process(parent.pid).children(recursive=True)
        assert len(children) >= 2
        parent.kill()
        _, alive = psutil.wait_procs(children, 60)
    assert not alive


def plain_points():
    """`points` for another process."""

    def fetch(rows):
        x = torch.tensor([[row % 7, row % 5, row % 3, 1] for row in rows], dtype=torch.float32)
        return {"x": x, "y": x[:, :3] / 2}

    return fetch


@pytest.mark.slow
def test_several_devices_go_on_from_a_checkpoint(house, tmp_path):
    """Random numbers of every device and uneven shares: the same bits."""
    given = {"fetch": plain_points(), "schedule": Schedule(12, 1e-2, batch=15), "devices": 2}
    whole, notes = fit_line(house, tmp_path / "whole", line=local_line(0.2), **given)
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    shutil.rmtree(tmp_path / "part" / "line" / "step-00000012")
    listener = Listener()
    again, notes_again = fit_line(
        house, tmp_path / "part", line=local_line(0.2), progress=listener, **given
    )
    assert listener.start == 9
    same_state(whole.state_dict(), again.state_dict())
    assert notes == notes_again


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategy": "fsdp"}, "--strategy fsdp: methods train with auto or ddp or ddp_spawn"),
        ({"device": "cuda:1"}, "--devices 2: --device cuda:1 names a single one"),
        ({"device": "mps"}, "--devices 2: there is one mps device"),
        ({"device": "cuda", "devices": 1000}, "--devices 1000: this machine has [0-9]+ GPUs"),
        ({"schedule": Schedule(4, 1e-2, batch=1)}, "too few for 2"),
    ],
)
def test_devices_that_there_are_not_are_refused_in_one_line(house, changes, message):
    with pytest.raises(BenchError, match=message) as error:
        fit_line(house, count=20_000, **({"devices": 2} | changes))
    assert "\n" not in str(error.value)


NODE = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from conftest import House
from safetensors.torch import save_file
from test_training import Schedule, fit_line, local_line, plain_points

for number in (1, 2):  # trainings of one fit
    line, _ = fit_line(House(Path(sys.argv[2])), line=local_line(0.2), fetch=plain_points(), schedule=Schedule(12, 1e-2, batch=15),
                       nodes=2)
save_file(line.state_dict(), sys.argv[3])
"""


def test_two_nodes_train_as_two_devices_and_all_have_the_result(house, tmp_path, patience):
    (tmp_path / "node.py").write_text(NODE)
    port = find_free_network_port()
    alone = [sys.executable, tmp_path / "node.py", Path(__file__).parent, house.folder]
    told = [rendezvous.variables(rank, 0, 2, "127.0.0.1", port, tmp_path) for rank in (0, 1)]
    both = [
        subprocess.Popen([*alone, tmp_path / f"{rank}"], env=os.environ | told[rank])
        for rank in (0, 1)
    ]
    assert [each.wait(patience) for each in both] == [0, 0]
    devices, _ = fit_line(
        house,
        line=local_line(0.2),
        fetch=plain_points(),
        schedule=Schedule(12, 1e-2, batch=15),
        devices=2,
    )
    for rank in (0, 1):
        same_state(load_file(tmp_path / f"{rank}"), devices.state_dict())


@pytest.mark.parametrize("rows", [slice(0, 32), np.array([3, 0, 7]), slice(1, 2)])
def test_features_beyond_the_budget_are_computed_again(house, rows):
    part = {"features": house.fit("zhang")}
    stored = features.stored_features(house.context(part), "features", house.train)
    listener = Listener()
    context = dataclasses.replace(house.context(part), cache_budget=100_000, progress=listener)
    computed = features.stored_features(context, "features", house.train)
    assert len(listener.lines) == 1
    assert "--cache-budget" in listener.lines[0]
    assert not list(context.store.all("features"))
    assert stored[rows].dtype == computed[rows].dtype == np.float16
    np.testing.assert_allclose(stored[rows], computed[rows], rtol=2e-3, atol=2e-3)


def test_the_budget_is_for_all_features_in_the_store(house):
    both = {"features": house.fit("zhang"), "other": house.fit_again("zhang")}
    context = house.context(both)
    features.stored_features(context, "features", house.train)
    (kept,) = context.store.all("features")
    size = 2 * int(np.prod(kept.shape))
    for budget, kind in ((2 * size - 1, features.Computed), (2 * size, features.Stored)):
        tight = dataclasses.replace(context, cache_budget=budget)
        assert isinstance(
            features.stored_features(tight, "features", house.train), features.Stored
        )  # it is there already
        assert isinstance(features.stored_features(tight, "other", house.train), kind)


def test_methods_train_beyond_the_budget(house):
    kept = house.fit("cvae")
    context = dataclasses.replace(house.context(house.parts("cvae")), cache_budget=0)
    again = house.fit_again("cvae", context)
    same_state(
        kept.network.state_dict(), again.network.state_dict()
    )  # features of `Squares` don't depend on the batch
