import numpy as np
import pytest

from sklearn_mm.preprocessing.image._proportions import kept_by_crop, learn_size, log_proportions


def proportions(*ratios):
    return np.log(np.array(ratios, dtype=float))


class TestLearnFraming:
    @pytest.mark.parametrize(
        ("ratio", "size"),
        [
            (1, (64, 64)),
            (1.1, (64, 64)),
            (5 / 4, (56, 72)),
            (4 / 3, (56, 72)),
            (3 / 2, (56, 80)),
            (2 / 3, (80, 56)),
            (16 / 9, (48, 88)),
            (4, (32, 128)),
            (1 / 4, (128, 32)),
            (16, (16, 256)),
            (1000, (16, 256)),
            (1e-3, (256, 16)),
        ],
    )
    def test_proportions_that_agree(self, ratio, size):
        found, resize = learn_size(proportions(*[ratio] * 7), "auto", "auto")
        assert found == size
        assert resize == ("crop" if 1 / 20 < ratio < 20 else "pad")
        assert 0.85 < size[0] * size[1] / 64**2 < 1.15

    @pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
    @pytest.mark.parametrize("ratio", [4 / 3, 3 / 2])
    def test_photographs_held_both_ways_become_squares(self, ratio, share):
        n = int(100 * share)
        assert learn_size(proportions(*[ratio] * n, *[1 / ratio] * (100 - n)), "auto", "auto") == ((64, 64), "crop")

    def test_proportions_that_differ_much_are_padded(self):
        assert learn_size(proportions(*[4] * 70, *[1] * 30), "auto", "auto") == ((32, 128), "pad")
        assert learn_size(proportions(*[1] * 70, *[4] * 30), "auto", "auto") == ((64, 64), "pad")

    def test_few_odd_ones_change_nothing(self):
        assert learn_size(proportions(*[1] * 95, *[9] * 5), "auto", "auto") == ((64, 64), "crop")

    def test_what_is_given_is_taken(self):
        found = proportions(4, 4, 4)
        assert learn_size(found, (48, 48), "auto") == ((48, 48), "pad")
        assert learn_size(found, (24, 96), "auto") == ((24, 96), "crop")
        assert learn_size(found, "auto", "stretch") == ((32, 128), "stretch")
        assert learn_size(found, (8, 9), "crop") == ((8, 9), "crop")

    def test_order_and_unknown_ones_do_not_count(self):
        rng = np.random.default_rng(0)
        found = rng.normal(0.5, 0.3, size=101)
        expected = learn_size(found, "auto", "auto")
        for _ in range(20):
            shuffled = rng.permutation(np.concatenate([found, [np.nan] * 5]))
            assert learn_size(shuffled, "auto", "auto") == expected

    @pytest.mark.parametrize("found", [np.empty(0), np.full(3, np.nan)])
    def test_nothing_known(self, found):
        assert learn_size(found, "auto", "auto") == ((64, 64), "crop")


class TestLogProportions:
    def test_sizes(self):
        found = log_proportions(np.array([[40, 10], [0, 0], [5, 5]], dtype=np.int32), None, 0)
        np.testing.assert_allclose(np.exp(found), [4, np.nan, 1])

    def test_box_and_turn(self):
        sizes = np.array([[400, 100], [0, 0], [50, 500]], dtype=np.int32)
        np.testing.assert_allclose(np.exp(log_proportions(sizes, None, 90)), [1 / 4, np.nan, 10])
        np.testing.assert_allclose(np.exp(log_proportions(sizes, (10, 20, 40, 30), 0)), [3, np.nan, 3])


def test_kept_by_crop():
    np.testing.assert_allclose(kept_by_crop(proportions(1, 4, 1 / 4, 2), (64, 64)), [1, 0.25, 0.25, 0.5])
