"""Steps of Adam by a loop in plain numbers, the held-out photographs, and the state that is left."""

import math

import pytest
import torch
from torch import nn

from bench.extend.training import Schedule, train


def photographs(rows):
    """Their own numbers."""
    return {"row": torch.tensor(rows)}


def trained(house, objective, count=60, schedule=None):
    """The objective after its training, and what was noted."""
    context = house.context()
    train(objective, photographs, count, schedule or Schedule(40, 1e-2, batch=16), context, "told")
    return objective, context.notes


def rates(steps, most):
    """A linear warm-up of at most 50 steps, and of about a fifth of them; then half a cosine."""
    warm = min(50, steps // 5 + 1)
    up = [most * (i + 1) / warm for i in range(warm)]
    return up + [
        most * (1 + math.cos(math.pi * i / (steps - warm))) / 2 for i in range(steps - warm)
    ]


@pytest.mark.parametrize("steps", [4, 30, 400])
def test_rates_rise_to_the_peak_and_fall_to_nothing(steps):
    schedule = Schedule(steps, 0.25)
    found = [0.25 * schedule.factor(step) for step in range(steps)]
    assert found == pytest.approx(rates(steps, 0.25))
    assert max(found) == found[min(50, steps // 5 + 1)] == 0.25
    assert 0.25 * schedule.factor(steps) == pytest.approx(0, abs=1e-12)


class Pulled(nn.Module):
    """A number whose gradient in every step is given."""

    def __init__(self, gradients):
        super().__init__()
        self.number, self.gradients, self.path = (
            nn.Parameter(torch.tensor(0.5)),
            iter(gradients),
            [],
        )

    def forward(self, batch):
        if not self.training:
            return {"loss": -torch.tensor(float(len(self.path)))}  # the last is the best
        self.path.append(self.number.item())
        return {"loss": next(self.gradients) * self.number}


@pytest.mark.parametrize(("betas", "decay"), [((0.9, 0.999), 0.0), ((0.8, 0.99), 0.3)])
def test_every_step_is_adams_at_the_rate_of_its_time(house, betas, decay):
    gradients = [math.sin(1 + i) for i in range(30)]
    found, _ = trained(
        house, Pulled(gradients), schedule=Schedule(30, 0.1, betas=betas, weight_decay=decay)
    )
    number, mean, square, path = 0.5, 0.0, 0.0, []
    for i, (gradient, rate) in enumerate(zip(gradients, rates(30, 0.1)), 1):
        path.append(number)
        gradient += decay * number
        mean, square = (
            betas[0] * mean + (1 - betas[0]) * gradient,
            betas[1] * square + (1 - betas[1]) * gradient**2,
        )
        number -= (
            rate * mean / (1 - betas[0] ** i) / (math.sqrt(square / (1 - betas[1] ** i)) + 1e-8)
        )
    assert found.path == pytest.approx(path, rel=1e-4, abs=1e-5)


class Judged(nn.Module):
    """A number that grows; what it scores when it is held against the held-out photographs is
    given."""

    def __init__(self, scores):
        super().__init__()
        self.number, self.scores, self.shown = nn.Parameter(torch.tensor(0.0)), scores, []

    def forward(self, batch):
        if self.training:
            return {"loss": -self.number}
        self.shown.append(self.number.item())
        return {"loss": torch.tensor(self.scores[len(self.shown) - 1])}


@pytest.mark.parametrize("best", [0, 2, 3])
def test_the_state_with_the_lowest_held_out_loss_is_left(house, best):
    scores = [5.0, 4.0, 3.0, 6.0]
    scores[best] = -1.0
    found, notes = trained(house, Judged(scores))
    assert found.shown == sorted(set(found.shown))
    assert float(found.number.detach()) == found.shown[best]
    assert notes["best_held_out_loss"] == -1
    assert not found.training


class Watching(nn.Module):
    """Remembers the photographs of each kind, and the random numbers in training."""

    def __init__(self):
        super().__init__()
        self.number, self.seen, self.random = (
            nn.Parameter(torch.tensor(0.0)),
            {True: [], False: []},
            [],
        )

    def forward(self, batch):
        self.seen[self.training].append(batch["row"].tolist())
        if self.training:
            self.random.append(float(torch.rand(())))
        return {"loss": batch["row"].square().float().mean() + 0 * self.number}


def test_a_tenth_is_held_out_and_never_trained_with(house):
    found, _ = trained(house, Watching())
    assert found.seen[False] == [list(range(6))] * 4
    assert {row for rows in found.seen[True] for row in rows} == set(range(6, 60))
    assert {len(rows) for rows in found.seen[True]} == {16}
    assert len(set(found.random)) == 40


def test_the_held_out_loss_is_a_mean_over_photographs_in_uneven_parts(house):
    found, notes = trained(house, Watching(), count=1300, schedule=Schedule(1, 1e-2, batch=2))
    assert [len(rows) for rows in found.seen[False]] == [44, 43, 43]
    assert notes["best_held_out_loss"] == pytest.approx(
        sum(row**2 for row in range(130)) / 130, rel=1e-6
    )
    assert notes["last_train_loss"] == pytest.approx(
        sum(row**2 for row in found.seen[True][0]) / 2, rel=1e-6
    )
