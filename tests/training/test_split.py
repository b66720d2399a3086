import numpy as np
import pytest

from sklearn_mm.training._split import split_validation


@pytest.mark.parametrize("fraction", [0.1, 0.3])
def test_stratified_split_keeps_proportions(fraction):
    target = np.repeat([0, 1, 2], [100, 50, 50])
    kept, held_out = split_validation(200, fraction, seed=0, strata=target)
    assert sorted([*kept, *held_out]) == list(range(200))
    np.testing.assert_allclose(np.bincount(target[held_out]), np.array([100, 50, 50]) * fraction, atol=1)


def test_classes_of_one_row_are_trained_with():
    target = np.array([0] * 10 + [1] * 10 + [2])
    for seed in range(5):
        kept, _ = split_validation(21, 0.2, seed=seed, strata=target)
        assert 20 in kept


def test_more_classes_than_rows_to_hold_out():
    kept, held_out = split_validation(20, 0.1, seed=0, strata=np.repeat(np.arange(10), 2))
    assert (len(kept), len(held_out)) == (18, 2)


def test_plain_split_is_fixed_by_the_seed():
    first, second = (split_validation(30, 0.2, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first[1], second[1])
    assert len(first[1]) == 6


@pytest.mark.parametrize("target", [[0], [0, 1], [2, 1, 0]])
@pytest.mark.parametrize("stratify", [False, True])
def test_too_few_rows_to_split(target, stratify):
    if len(target) > 1 and not stratify:
        return
    with pytest.raises(ValueError, match=f"Early stopping needs at least 2 rows.*, got {len(target)} rows"):
        split_validation(len(target), 0.1, seed=0, strata=np.array(target) if stratify else None)


@pytest.mark.parametrize("stratify", [False, True])
def test_some_row_is_left_to_train_with(stratify):
    kept, held_out = split_validation(20, 0.99, seed=0, strata=np.repeat([0, 1], 10) if stratify else None)
    assert (len(kept), len(held_out)) == (1, 19)


def test_rows_of_no_group_are_kept():
    groups = np.where(np.arange(100) % 4 == 0, np.arange(100), -1)
    kept, held_out = split_validation(100, 0.2, 0, groups=groups)
    assert sorted([*kept, *held_out]) == list(range(100))
    assert len(held_out) == 5
    assert (held_out % 4 == 0).all()


def test_groups_are_held_out_whole():
    groups = np.repeat(np.arange(20), 5)
    kept, held_out = split_validation(100, 0.2, 0, groups=groups)
    assert not set(groups[kept]) & set(groups[held_out])
    assert len(held_out) == 20
    assert sorted([*kept, *held_out]) == list(range(100))
    with pytest.raises(ValueError, match="at least 2 rows that share nothing to hold out one, got 5 rows"):
        split_validation(5, 0.2, 0, groups=np.zeros(5, dtype=int))
