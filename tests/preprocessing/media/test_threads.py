import threading
import time

import numpy as np
import pytest

from sklearn_mm.preprocessing.media._threads import decoding_threads


@pytest.mark.parametrize("n_jobs", [1, 2, 3])
@pytest.mark.parametrize("n_items", [0, 1, 5, 200])
def test_what_parts_return_is_joined_in_order(n_jobs, n_items):
    numbers = np.arange(n_items)
    with decoding_threads(n_jobs, n_items) as run:
        assert run(lambda first, second: [*(first + second)], numbers, 10 * numbers) == list(11 * numbers)
        assert run(lambda some: [], numbers) == []


def test_several_threads_work_at_once():
    barrier = threading.Barrier(2, timeout=30)
    with decoding_threads(2, 2) as run:
        assert run(lambda some: [barrier.wait() for _ in some], np.arange(2)) in ([0, 1], [1, 0])


def test_after_an_error_no_more_parts_are_begun():
    begun = []

    def fail(some):
        begun.extend(some)
        time.sleep(0.02)  # or all of 200 parts might be over before anybody hears of the first
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"), decoding_threads(2, 6400) as run:
        run(fail, np.arange(6400))
    assert 0 < len(begun) < 3200
