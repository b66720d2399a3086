import numpy as np
import pytest
import torch
from scipy import sparse

from sklearn_mm.networks.wide._design_matrix import DesignMatrix
from sklearn_mm.networks.wide._folds import deal_folds, fold_weights


def test_equal_rows_share_a_fold_and_classes_are_dealt_evenly():
    rng = np.random.default_rng(0)
    different = sparse.csr_array(rng.normal(size=(60, 7)))
    target = torch.from_numpy(np.repeat([0, 1], [40, 20]))
    which = np.concatenate([np.arange(60), rng.integers(60, size=40)])
    folds = deal_folds(
        DesignMatrix([different[which][:, :4], different[which][:, 4:].toarray()]),
        target[which],
        5,
        torch.Generator().manual_seed(0),
    )
    assert all(len(np.unique(folds[which == row])) == 1 for row in range(60))
    counts = np.array([np.bincount(folds[:60][target == label], minlength=5) for label in (0, 1)])
    assert counts.tolist() == [[8] * 5, [4] * 5]


def test_one_row_many_times_is_one_fold():
    folds = deal_folds(DesignMatrix([np.ones((6, 3))]), torch.arange(6.0), 5, torch.Generator().manual_seed(0))
    assert folds.tolist() == [0] * 6


def test_a_row_that_alone_has_its_class_is_left_out_by_no_fold():
    rng = np.random.default_rng(0)
    target = torch.tensor([0, 1, 2, 2, 3, 3, 3, 4])
    folds = deal_folds(DesignMatrix([rng.normal(size=(8, 3))]), target, 5, torch.Generator().manual_seed(0))
    assert (folds == -1).tolist() == [True, True, False, False, False, False, False, True]
    assert folds[2] != folds[3]
    assert len(set(folds[4:7])) == 3


def test_each_class_weighs_in_each_fold_what_it_weighs_in_all_rows():
    rng = np.random.default_rng(0)
    target, weight = torch.from_numpy(np.arange(40) % 12), torch.from_numpy(rng.uniform(0.5, 2, size=40)).float()
    design = DesignMatrix([rng.normal(size=(40, 3))])
    folds = torch.from_numpy(deal_folds(design, target, 5, torch.Generator().manual_seed(0)))
    weights = fold_weights(folds, 5, target, weight)
    for fold in range(5):
        assert not weights[folds == fold, fold].any()
        of_classes = np.bincount(target, weight * weights[:, fold])
        np.testing.assert_allclose(of_classes, np.bincount(target, weight), rtol=1e-5)


def deal_groups(groups, target=None, rows=None, n_folds=5):
    rows = np.random.default_rng(0).normal(size=(len(groups), 3)) if rows is None else rows
    target = torch.zeros(len(groups)) if target is None else torch.as_tensor(target)
    return deal_folds(DesignMatrix([rows]), target, n_folds, torch.Generator().manual_seed(0), np.asarray(groups))


def test_groups_share_a_fold_and_folds_are_of_like_size():
    groups = np.random.default_rng(1).permutation(
        np.repeat(np.arange(12), [30, 30, 20, 20, 20, 10, 10, 10, 5, 5, 5, 5])
    )
    folds = deal_groups(groups)
    assert all(len(np.unique(folds[groups == group])) == 1 for group in range(12))
    assert np.ptp(np.bincount(folds)) <= 10
    assert len(np.unique(deal_groups(groups % 3))) == 3


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_folds_of_groups_have_their_share_of_each_class_and_of_large_numbers(kind):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), rng.integers(2, 9, 60))
    rare = np.isin(groups, rng.permutation(60)[:10])  # what only ten groups have
    target = rare.astype(int) if kind == "classes" else rare * 10 + rng.normal(size=len(groups))
    folds = deal_groups(groups, target)
    assert all(len(np.unique(folds[groups == group])) == 1 for group in range(60))
    n_rows, n_rare = np.bincount(folds), np.bincount(folds[rare])
    assert len(n_rare) == 5
    assert n_rare.max() - n_rare.min() <= 8
    assert n_rows.max() - n_rows.min() <= 16


def test_groups_of_one_class_each_do_not_crowd_the_first_fold():
    groups = np.arange(30).repeat(2)
    folds = deal_groups(groups, groups // 3)  # of each of ten classes three groups
    assert np.bincount(folds).tolist() == [12] * 5


def test_equal_rows_join_groups():
    groups, rows = np.repeat(np.arange(6), 4), np.random.default_rng(0).normal(size=(24, 3))
    rows[0] = rows[4] = rows[8]
    folds = deal_groups(groups, rows=rows)
    assert len(np.unique(folds[:12])) == 1
    assert len(np.unique(folds[12:])) == 3


def test_a_group_that_alone_has_a_class_is_left_out_by_no_fold():
    folds = deal_groups(np.repeat(np.arange(4), 3), target=[0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 2])
    assert (folds[9:] == -1).all()
    assert sorted(np.unique(folds[:9])) == [0, 1, 2]
    assert (deal_groups(np.arange(4), target=[0, 1, 2, 3]) == -1).all()
