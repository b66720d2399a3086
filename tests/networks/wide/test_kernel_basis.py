import numpy as np
import pytest
import torch

from sklearn_mm.networks import CrossEntropyLoss, WideLinear
from sklearn_mm.networks.wide._basis_expansion import BasisExpansion
from sklearn_mm.networks.wide._kernel_basis import KernelBasis
from sklearn_mm.preprocessing import Blocks, ImageSpec
from sklearn_mm.training._dataset import BlockDataset


class Centred(BasisExpansion):
    """Numbers as they are, but for their means."""

    dense = True

    def __init__(self, n_terms):
        super().__init__()
        self.n_terms = n_terms
        self.register_buffer("mean", torch.zeros(n_terms))

    def fit(self, chunks):
        rows = torch.cat(list(chunks))
        if len(rows):
            self.mean.copy_(rows.mean(0))

    def expand(self, values):
        return torch.arange(self.n_terms).expand(len(values), -1), values - self.mean


def make_rows(n_rows=60, width=3, seed=0):
    return 2 + torch.randn(n_rows, width, generator=torch.Generator().manual_seed(seed))


def likened(rows, n_terms):
    """Return a basis that is fitted to rows, in two parts, and the values of their terms."""
    basis = KernelBasis(Centred(rows.shape[1]), n_terms)
    basis.fit(iter([rows[:20], rows[20:]]))
    terms, values = basis(rows)
    assert (terms == torch.arange(n_terms)).all()
    return basis, values


def kernel(rows):
    rows = (rows - rows.mean(0)).double()
    square = rows.square().sum(1).mean()
    return 0.3 * rows @ rows.T / square + 0.7 * (-torch.cdist(rows, rows).square() / square).exp()


def distances(products):
    squares = products.diag()
    return squares + squares.unsqueeze(1) - 2 * products


def test_coordinates_have_the_products_of_the_kernel():
    rows = make_rows()
    _, values = likened(rows, n_terms=60)
    found, expected = distances(values.double() @ values.double().T), distances(kernel(rows))
    torch.testing.assert_close(found, expected * found.mean() / expected.mean(), atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("n_terms", [60, 75])
def test_values_are_centred_and_as_large_as_those_of_the_terms(n_terms):
    rows = make_rows()
    _, values = likened(rows, n_terms)
    torch.testing.assert_close(values.mean(0), torch.zeros(n_terms), atol=1e-5, rtol=0)
    assert not values[:, 60:].any()
    square = (rows - rows.mean(0)).square().sum(1).mean()
    torch.testing.assert_close(values.square().sum(1).mean(), square)


def test_a_few_landmarks_do():
    rows = make_rows(400)
    whole, some = (
        distances(likened(rows, n_terms)[1].double() @ likened(rows, n_terms)[1].double().T) for n_terms in (400, 60)
    )
    assert torch.corrcoef(torch.stack([whole.flatten(), some.flatten()]))[0, 1] > 0.98


def test_a_linear_model_of_them_bends():
    rows = make_rows(400, width=2)
    inside = ((rows - 2).square().sum(1) < 1.4).float().unsqueeze(1) - 0.5
    basis, _ = likened(rows[:300], 100)
    for said, error in ((basis.basis.expand(rows)[1], (0.2, 0.3)), (basis(rows)[1], (0.0, 0.1))):
        learnt, asked = said[:300].double(), said[300:].double()
        ridge = learnt.T @ learnt + 1e-3 * torch.eye(said.shape[1])
        predicted = asked @ torch.linalg.solve(ridge, learnt.T @ inside[:300].double())
        assert error[0] < (predicted - inside[300:]).square().mean() < error[1]


def test_equal_rows_have_equal_values_wherever_they_stand():
    rows = make_rows(97, width=40)
    rows[53] = rows[6] = rows[96]
    basis, values = likened(rows, 50)
    assert torch.equal(values[53], values[6])
    assert torch.equal(values[96], values[6])
    assert torch.equal(basis(rows[6:7])[1][0], values[6])


def test_mixed_precision_changes_nothing():
    rows = make_rows()
    basis, values = likened(rows, 30)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(basis(rows)[1], values)


@pytest.mark.parametrize("rows", [torch.full((30, 3), 7.0), torch.zeros(0, 3)], ids=["all equal", "none"])
def test_without_any_difference_nothing_is_said(rows):
    basis = KernelBasis(Centred(3), 20)
    basis.fit(iter([rows] if len(rows) else [rows, rows]))
    assert not basis(torch.zeros(4, 3))[1].isnan().any()
    assert not basis(rows)[1].any()


@pytest.mark.parametrize(
    ("n_rows", "n_landmarks", "n_terms"),
    [(499, 1000, 967), (500, 1000, 500), (1200, 1000, 1000), (1200, 70, 70), (1200, 0, 967), (20_001, 1000, 967)],
)
def test_how_many_landmarks_there_are(n_rows, n_landmarks, n_terms):
    spec = ImageSpec(name="photo", shape=(8, 8, 3), mean=(0.5,) * 3, std=(0.2,) * 3)
    target, loss = np.arange(n_rows).reshape(-1, 1) % 2, CrossEntropyLoss().build(["no", "yes"])
    [model] = WideLinear(n_landmarks=n_landmarks).build({"photo": spec}, loss, target).models
    assert model.weight.shape == (n_terms, 1)


def test_pictures_are_told_by_what_is_not_linear():
    rng = np.random.default_rng(0)
    blue, upright, phase = rng.random((3, 600)) > 0.5
    places = np.where(upright[:, np.newaxis, np.newaxis], *np.indices((8, 8)))  # along which stripes change
    pictures = rng.integers(0, 50, size=(600, 8, 8, 3), dtype=np.uint8)
    pictures[range(600), :, :, 2 * blue] += 200 * ((places // 2 + phase[:, np.newaxis, np.newaxis]) % 2).astype(
        np.uint8
    )
    target = torch.from_numpy((blue != upright).astype(np.float32)).unsqueeze(1)
    spec = ImageSpec(name="photo", shape=(8, 8, 3), mean=(0.5,) * 3, std=(0.2,) * 3)
    loss, right = CrossEntropyLoss().build(["no", "yes"]), []
    for n_rows in (499, 600):
        some = slice(0, n_rows)
        rows = BlockDataset(Blocks({"photo": pictures[some]}, {"photo": spec}), target[some], torch.ones(n_rows, 1))
        wide = WideLinear().build(rows.blocks.specs, loss, rows.target.numpy())
        scores = wide.fit(rows, loss, torch.Generator().manual_seed(0))
        right.append(loss.row_scores(wide.outputs(scores), rows.target).mean())
    assert right[0] < 0.8
    assert right[1] > 0.95
