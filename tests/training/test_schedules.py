import pickle

import pytest

from sklearn_mm.training._schedules import SCHEDULES, Schedule


@pytest.mark.parametrize(
    ("name", "at_start", "at_end"),
    [("constant", 1, 1), ("cosine", 1, 0), ("inverse_sqrt", 0.01, 10**-0.5), ("one_cycle", 0.04, 0)],
)
def test_ends_of_the_schedules(name, at_start, at_end):
    schedule = Schedule(SCHEDULES[name], n_steps=50)
    assert schedule(0) == pytest.approx(at_start)
    assert schedule(50) == schedule(60) == pytest.approx(at_end)
    assert max(schedule(step) for step in range(51)) == pytest.approx(1, abs=0.01)


def test_a_schedule_can_be_pickled():
    schedule = Schedule(SCHEDULES["one_cycle"], n_steps=10)
    assert pickle.loads(pickle.dumps(schedule))(5) == schedule(5)


def test_progress_is_the_larger_of_steps_and_time():
    class Limit:
        def share(self):
            return self.over

    limit = Limit()
    schedule = Schedule(lambda progress: progress, n_steps=10, time_limit=limit)
    for step, over, progress in [(0, 0.1, 0), (2, 0.1, 0.2), (2, 0.7, 0.7), (5, 1.3, 1.0), (12, 0.5, 1.0)]:
        limit.over = over
        assert schedule(step) == progress
