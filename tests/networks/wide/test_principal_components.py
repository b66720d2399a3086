import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.decomposition import PCA

from sklearn_mm.networks.wide._design_matrix import DesignMatrix
from sklearn_mm.networks.wide._principal_components import PrincipalComponents, components_pay


@pytest.mark.parametrize("shape", [(30, 80), (80, 30)], ids=["of rows", "of terms"])
def test_rows_are_those_of_principal_component_analysis(shape):
    matrix = np.random.default_rng(0).normal(size=shape).astype(np.float32) + 1
    components = PrincipalComponents(DesignMatrix([matrix[:, :20], sparse.csr_array(matrix[:, 20:])]))
    (rows,) = components.design.blocks
    expected = PCA().fit_transform(matrix.astype(np.float64))[:, : rows.shape[1]]
    assert rows.shape[1] == min(shape[0] - 1, shape[1])
    np.testing.assert_allclose(np.abs(rows[:, ::-1]), np.abs(expected), atol=1e-3)


@pytest.mark.parametrize("shape", [(30, 80), (80, 30)], ids=["of rows", "of terms"])
def test_coefficients_have_the_same_outputs_and_the_same_length(shape):
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=shape).astype(np.float32) + 1
    components = PrincipalComponents(DesignMatrix([matrix]))
    intercepts, coefs = (torch.from_numpy(rng.normal(size=(n, 3))).float() for n in (1, components.design.n_terms))
    of_terms = components.to_terms(intercepts, coefs)
    outputs = torch.from_numpy(matrix) @ of_terms[1] + of_terms[0]
    torch.testing.assert_close(outputs, components.design.matmat(coefs) + intercepts, atol=1e-3, rtol=0)
    torch.testing.assert_close(of_terms[1].norm(dim=0), coefs.norm(dim=0), atol=1e-3, rtol=0)
    for given, back in zip((intercepts, coefs), components.from_terms(*of_terms), strict=True):
        torch.testing.assert_close(back, given, atol=1e-3, rtol=0)


def test_what_rows_have_in_common_is_left_to_the_intercept_and_repeats_add_nothing():
    rows = np.random.default_rng(0).normal(size=(10, 4))
    matrix = np.hstack([rows, rows, np.ones((10, 3))])
    assert PrincipalComponents(DesignMatrix([matrix])).design.n_terms == 4


def test_they_pay_where_one_side_is_short():
    def pays(n_rows, n_terms):
        return components_pay(DesignMatrix([np.zeros((n_rows, n_terms), np.float32)]), n_columns=10)

    assert [pays(100, 5000), pays(5000, 100), pays(3000, 3000)] == [True, True, False]


@pytest.mark.parametrize("says_so", [True, False])
def test_where_single_precision_does_not_converge_double_does(monkeypatch, says_so):
    matrix = np.random.default_rng(0).normal(size=(30, 10)).astype(np.float32)
    (expected,) = PrincipalComponents(DesignMatrix([matrix])).design.blocks
    eigh = torch.linalg.eigh

    def of_doubles(gram):
        values, vectors = eigh(gram)
        if gram.dtype == torch.float64:
            return values, vectors
        if says_so:
            raise torch.linalg.LinAlgError("The algorithm failed to converge.")
        values[-3:] = torch.nan  # as of a table of 82 rows, whose linear model then said the same of every row
        return values, vectors

    monkeypatch.setattr(torch.linalg, "eigh", of_doubles)
    (rows,) = PrincipalComponents(DesignMatrix([matrix])).design.blocks
    assert rows.dtype == np.float32
    np.testing.assert_allclose(np.abs(rows), np.abs(expected), atol=1e-3)
