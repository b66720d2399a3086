import math

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import Ridge

from sklearn_mm.networks import CrossEntropyLoss, FocalLoss, OrdinalLoss, SquaredErrorLoss
from sklearn_mm.networks.wide._design_matrix import DesignMatrix
from sklearn_mm.networks.wide._linear_problem import LinearProblem


@pytest.mark.parametrize(
    ("shape", "n_fits", "has_components"),
    [((60, 300), 2, True), ((2000, 20), 2, True), ((800, 900), 2, False)],
    ids=["of the rows", "of the terms", "as it is"],
)
def test_outputs_and_coefficients_are_those_of_the_terms(shape, n_fits, has_components):
    rng = np.random.default_rng(0)
    matrix = sparse.csr_array(sparse.random(*shape, density=0.05 if shape[0] == 800 else 0.9, random_state=0))
    cut = 2 * shape[1] // 3
    design = DesignMatrix([matrix[:, :cut], matrix[:, cut:].toarray()], (0.25, 1))
    y = torch.from_numpy(rng.normal(size=(shape[0], 2)))
    problem = LinearProblem(design, y, torch.ones(y.shape), SquaredErrorLoss(), 2, n_fits)
    assert (problem.components is not None) == has_components
    weights = torch.stack([torch.ones(shape[0]), torch.linspace(0, 1, shape[0])], 1)
    coefs = problem.fit(problem.zeros(2), weights, 0.1, 1e-8, math.inf)
    of_terms = problem.to_terms(coefs)
    outputs = DesignMatrix(design.blocks).matmat(of_terms[1:, 0]) + of_terms[0, 0]
    torch.testing.assert_close(outputs, problem.outputs(coefs)[:, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(problem.from_terms(of_terms), coefs, atol=1e-4, rtol=0)
    whole = matrix.toarray() * np.repeat([0.25, 1], [cut, shape[1] - cut])
    for of_fit, weight in zip(problem.outputs(coefs).unbind(1), weights.T.numpy(), strict=True):
        ridge = Ridge(alpha=0.1 / 2 * weight.sum()).fit(whole, y.numpy(), sample_weight=weight)
        np.testing.assert_allclose(of_fit, ridge.predict(whole), atol=0.005)


def make_classes(n_rows=120, n_classes=4, wrong=0.2):
    """Rows whose classes, in an order, a number tells but for some that are plainly wrong."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n_rows, 12))
    classes = np.digitize(rows[:, 0] + 0.3 * rng.normal(size=n_rows), [-0.7, 0, 0.7][: n_classes - 1])
    classes[: int(wrong * n_rows)] = rng.integers(n_classes, size=int(wrong * n_rows))
    return DesignMatrix([rows]), torch.from_numpy(classes)


def losses():
    ordinal = OrdinalLoss().build([0, 1, 2, 3])
    ordinal.fit_target(np.arange(4), np.ones(4))
    return {
        "focal": FocalLoss().build([0, 1, 2, 3]),
        "focal, hard rows alone": FocalLoss(gamma=5.0).build([0, 1, 2, 3]),
        "ordinal": ordinal,
    }


@pytest.mark.parametrize("loss", losses())
def test_a_loss_that_is_not_convex_is_not_convex(loss):
    outputs, target = torch.randn(4000, losses()[loss].n_outputs, generator=torch.Generator().manual_seed(0)), 0
    target, loss = torch.full((2000,), target), losses()[loss]
    some, others = (6 * outputs).chunk(2)
    chord = (loss(some, target) + loss(others, target)) / 2
    assert (loss((some + others) / 2, target) > chord + 0.01).any()


@pytest.mark.parametrize("alpha", [4.0**-2, 4.0**-4, 4.0**-6])
@pytest.mark.parametrize("loss", losses())
def test_of_a_loss_that_is_not_convex_no_other_start_finds_a_better_fit(loss, alpha):
    loss, (design, classes) = losses()[loss], make_classes()
    problem = LinearProblem(design, classes, torch.ones(len(classes)), loss, loss.n_outputs, 1)

    def objective(coefs):
        losses = loss(problem.outputs(coefs)[:, 0], classes)
        return (losses.mean() + alpha / 2 * coefs[1:].square().sum()).item()

    generator, everything = torch.Generator().manual_seed(0), torch.ones(len(classes), 1)
    found = problem.fit(problem.zeros(1), everything, alpha, 1e-9, math.inf)
    least = objective(found)
    assert least < objective(problem.zeros(1))
    like_cross_entropy = CrossEntropyLoss().build([0, 1, 2, 3])
    starts = [scale * torch.randn(found.shape, generator=generator) for scale in (0.1, 1.0, 3.0)]
    if loss.n_outputs == 4:
        convex = LinearProblem(design, classes, torch.ones(len(classes)), like_cross_entropy, 4, 1)
        starts.append(convex.fit(convex.zeros(1), everything, alpha, 1e-9, math.inf))
    for start in starts:
        other = problem.fit(start, everything, alpha, 1e-9, math.inf)
        assert least < objective(other) * 1.01


def test_classes_that_no_row_has_do_not_overshoot():
    design, classes = make_classes(wrong=0)
    loss = CrossEntropyLoss().build(range(300))
    problem = LinearProblem(design, classes, torch.ones(len(classes)), loss, 300, 1)
    coefs = problem.fit(problem.zeros(1), torch.ones(len(classes), 1), 1e-3, 1e-6, math.inf)
    assert coefs[0, 0, 4:].abs().max() < 20
