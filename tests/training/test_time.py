import time

import pytest

from sklearn_mm.training._time import TimeLimit


@pytest.mark.parametrize(("end", "now", "share"), [(110.0, 100.0, 0.0), (110.0, 105.0, 0.5), (110.0, 120.0, 2.0)])
def test_share(monkeypatch, end, now, share):
    monkeypatch.setattr(time, "perf_counter", lambda: 100.0)
    limit = TimeLimit(end)
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    assert limit.share() == share


def test_time_that_was_up_before_training(monkeypatch):
    monkeypatch.setattr(time, "perf_counter", lambda: 100.0)
    assert TimeLimit(90.0).share() == 1
