"""The benchmarks still run: at their smallest, for what they print and not for what they measure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SMALLEST = {
    "balancing.py": ["--hint-splits", "1", "--hint-epochs", "1", "--emoji-splits", "0"],
    "fusion_xor.py": ["--epochs", "1"],
    "tables.py": ["--sets", "wine", "steps", "--keep", "1", "--seeds", "1"],
    "throughput.py": ["--repeats", "1", "--epochs", "1"],
}


def test_all_benchmarks_are_known_here():
    assert sorted(path.name for path in BENCHMARKS.glob("*.py")) == sorted(SMALLEST)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALLEST)
def test_it_prints_a_table(name):
    command = [sys.executable, BENCHMARKS / name, *SMALLEST[name]]
    environment = {**os.environ, "PYTHONPATH": str(BENCHMARKS.parent)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    header, line, *rows = [row for row in done.stdout.splitlines() if row.startswith("|")]
    assert set(line) <= set("|-:")
    assert len(rows) > 2
    assert all(row.count("|") == header.count("|") for row in rows)
