"""What the net makes of objectives: losses of rows, of elements and of whole batches, and tops with several outputs."""

import numpy as np
import pytest
import torch
import torch.nn as nn

from sklearn_mm.estimators import BaseMultimodal, NoTarget, Target
from sklearn_mm.networks import Objective, Top
from sklearn_mm.preprocessing import Ragged
from sklearn_mm.utils import with_parameters


class Line(Top):
    """One or two linear maps of the first block."""

    def __init__(self, encoders, n_outputs, twice=False):
        super().__init__()
        self.layer = nn.Linear(next(iter(encoders.widths.values())), n_outputs)
        self.twice = twice

    def forward(self, features, present, batch):
        outputs = self.layer(next(iter(features.values())).pooled)
        return (outputs, 2 * outputs) if self.twice else outputs


class ByRule(Objective):
    """Whatever loss a test is about."""

    def __init__(self, rule, row_wise=True, n_outputs=3, twice=False):
        super().__init__()
        self.rule, self.row_wise, self.n_outputs, self.twice = rule, row_wise, n_outputs, twice

    def build_top(self, encoders, specs, target):
        return Line(encoders, self.n_outputs, self.twice)

    def loss(self, outputs, batch, top):
        return self.rule(outputs, batch)


class Ratings(Target):
    """Any number of numbers for each row."""

    def fit(self, y):
        return Ragged.from_counts(np.concatenate(y).astype(np.float32), [len(row) for row in y])

    def encode(self, y, name="y_val", complete=False):
        return self.fit(y)


@with_parameters
class OwnTask(BaseMultimodal):
    """A task of a test."""

    target, objective = NoTarget, None

    def make_target(self):
        return self.target(type(self).__name__)

    def make_objective(self, partial=False):
        return self.objective


def task(objective, target=NoTarget, **parameters):
    model = OwnTask(random_state=0, **{"max_epochs": 2, "batch_size": 16, **parameters})
    model.objective, model.target = objective, target
    return model


@pytest.fixture
def numbers():
    return np.random.default_rng(0).normal(size=(48, 4))


def losses_of(model):
    return [row["train_loss"] for row in model.history_]


def test_rows_weigh_all_elements_of_theirs(numbers):
    """Also where there are as many rows in a batch as outputs."""
    weight = np.tile([1.0, 3.0, 0.5], 16)
    of_elements = ByRule(lambda outputs, batch: outputs.square(), n_outputs=16)
    of_rows = ByRule(lambda outputs, batch: outputs.square().mean(1), n_outputs=16)
    fits = [task(objective).fit(numbers, sample_weight=weight) for objective in (of_elements, of_rows)]
    np.testing.assert_allclose(*map(losses_of, fits), rtol=1e-5)


@pytest.mark.parametrize(
    ("row_wise", "rule", "got"),
    [
        (True, lambda outputs, batch: outputs.square().mean(), r"a tensor of shape \(\)"),
        (False, lambda outputs, batch: outputs.square(), r"a tensor of shape \(16, 3\)"),
        (True, lambda outputs, batch: None, "None"),
    ],
)
def test_a_loss_that_is_not_what_its_objective_says(numbers, row_wise, rule, got):
    with pytest.raises(ValueError, match=rf"ByRule\.loss must return one number.* got {got} for 16 rows.*row_wise = "):
        task(ByRule(rule, row_wise)).fit(numbers)


@pytest.mark.parametrize("steps", [1, 3])
def test_a_loss_never_sees_blocks(numbers, steps):
    seen = []
    objective = ByRule(lambda outputs, batch: seen.append(set(batch)) or outputs.square().mean(), row_wise=False)
    task(objective, gradient_accumulation_steps=steps, early_stopping=True).fit(numbers)
    assert set.union(*seen) == {"present", "weight"}


def test_a_top_may_have_several_outputs(numbers):
    model = task(ByRule(lambda outputs, batch: outputs[0].square(), twice=True)).fit(numbers)
    first, second = model.outputs(numbers)
    assert first.shape == (48, 3)
    np.testing.assert_allclose(second, 2 * first, rtol=1e-6)


def mean_of_ratings(outputs, batch):
    counts = batch["target"]["counts"]
    rows = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    errors = (outputs[rows, 0] - batch["target"]["items"]).square()
    return torch.zeros(len(counts), device=counts.device).index_add(0, rows, errors) / counts.clamp(min=1)


@pytest.mark.parametrize("steps", [1, 3])
def test_targets_of_any_length(numbers, steps):
    rng = np.random.default_rng(1)
    y = [row[0] + 0.1 * rng.normal(size=rng.integers(1, 5)) for row in numbers]
    model = task(
        ByRule(mean_of_ratings, n_outputs=1), Ratings, max_epochs=40, lr=0.02, gradient_accumulation_steps=steps
    )
    model.fit(numbers, y, X_val=numbers[:8], y_val=y[:8], sample_weight=np.r_[np.zeros(4), np.ones(44)])
    assert np.corrcoef(model.outputs(numbers)[:, 0], numbers[:, 0])[0, 1] > 0.9


def test_a_target_of_too_few_rows(numbers):
    class Short(Ratings):
        def fit(self, y):
            return super().fit(y)[:-1]

    with pytest.raises(ValueError, match="Short must return a target for each of the 48 rows of OwnTask, got 47"):
        task(ByRule(mean_of_ratings, n_outputs=1), Short).fit(numbers, [[1.0]] * 48)


def test_batches_of_one_part_are_computed_once(numbers, monkeypatch):
    """A last row joins the batch before it, which then has a row more than fits."""
    monkeypatch.setattr("sklearn_mm.training._net.cached_backward", None)
    task(ByRule(lambda outputs, batch: outputs.square().mean(), row_wise=False)).fit(numbers[:33])
