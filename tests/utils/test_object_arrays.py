import numpy as np

from sklearn_mm.utils._object_arrays import draw, object_array


def test_cells_that_are_arrays_or_lists_stay_whole():
    cells = [np.zeros(3), np.zeros(3), [1, 2, 3], "abc"]
    array = object_array(cells)
    assert array.shape == (4,)
    assert all(cell is original for cell, original in zip(array, cells, strict=True))


def test_a_sample_is_always_the_same_and_in_order():
    assert draw(np.arange(1000)).tolist() == list(range(1000))
    sample = draw(np.arange(5000))
    assert len(set(sample.tolist())) == 1000
    assert (np.diff(sample) > 0).all()
    assert (draw(np.arange(5000)) == sample).all()
