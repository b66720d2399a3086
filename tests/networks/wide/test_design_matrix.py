import numpy as np
import pytest
import torch
from scipy import sparse

from sklearn_mm.networks.wide._design_matrix import DesignMatrix


@pytest.mark.parametrize("factors", [None, (0.25, 2)])
@pytest.mark.parametrize("shape", [(60, 300), (300, 20)], ids=["wide", "tall"])
def test_a_design_in_blocks_is_its_matrix(shape, factors):
    matrix, rng = sparse.csr_array(sparse.random(*shape, density=0.3, random_state=0)), np.random.default_rng(0)
    cut = 2 * shape[1] // 3
    design = DesignMatrix([matrix[:, :cut], matrix[:, cut:].toarray()], factors)
    whole = torch.from_numpy(matrix.toarray()).float()
    if factors is not None:
        whole *= torch.tensor(factors).repeat_interleave(torch.tensor(design.widths))
    coefs = torch.from_numpy(rng.normal(size=(shape[1], 3))).float()
    slopes = torch.from_numpy(rng.normal(size=(len(whole), 3))).float()
    torch.testing.assert_close(design.matmat(coefs), whole @ coefs, atol=1e-4, rtol=0)
    torch.testing.assert_close(sum(design.matmat_by_block(coefs, [4, 2])), (whole @ coefs)[[4, 2]], atol=1e-4, rtol=0)
    torch.testing.assert_close(design.rmatmat(slopes), whole.T @ slopes, atol=1e-4, rtol=0)
    torch.testing.assert_close(design.gram(of_rows=True), whole @ whole.T, atol=1e-4, rtol=0)
    torch.testing.assert_close(design.gram(of_rows=False), whole.T @ whole, atol=1e-4, rtol=0)
    torch.testing.assert_close(design.mean_squares(), whole.square().mean(0), atol=1e-6, rtol=0)


def test_a_block_can_count_less():
    design = DesignMatrix([np.ones((3, 2)), np.ones((3, 4))])
    assert design.shrunk([1], 0.25).shrunk([0, 1], 0.5).factors == (0.5, 0.125)
    torch.testing.assert_close(design.shrunk([1], 0.25).matmat(torch.ones(6, 1)), torch.full((3, 1), 3.0))


def test_hashes_are_equal_for_equal_rows_only():
    rng = np.random.default_rng(0)
    which = rng.integers(40, size=100)
    design = DesignMatrix([rng.normal(size=(40, 7))[which], sparse.csr_array(rng.normal(size=(40, 3))[which])])
    _, rows = np.unique(design.row_hashes(), return_inverse=True)
    assert len(np.unique(rows)) == len(np.unique(which)) == len(np.unique(rows + 100 * which))
