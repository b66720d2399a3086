"""A machine that others use too: how much longer a default fit takes beside processes that keep the cores busy.

torch's threads wait for each other by spinning. Where one of them has no core, the others spin meanwhile, on cores that
are then not free for it. The same fit in processes of their own, alone and beside ones that only count: as
``import sklearn_mm`` sets the time that threads spin, as libgomp has it by itself, and with one thread.

    python benchmarks/busy.py
    python benchmarks/busy.py --busy 2 7 --spins 1000 20000
"""

import argparse
import os
import statistics
import subprocess
import sys

import joblib

FIT = """
import resource, sys, time
from sklearn_mm import MultimodalClassifier
from sklearn_mm.datasets import load_emoji

X, y = load_emoji(return_X_y=True)
n_rows, epochs = map(int, sys.argv[1:])
clf = MultimodalClassifier(max_epochs=epochs, random_state=0)
start, used = time.perf_counter(), time.process_time()
clf.fit(X[:n_rows], y[:n_rows])
print(time.perf_counter() - start, time.process_time() - used)
"""
COUNT = "while True: pass"
OWN = "libgomp's own"  # 300,000 spins where nothing is set


def fit_beside(n_busy, settings, rows, epochs):
    """Return the seconds, and the seconds of CPU, of a fit beside processes that count."""
    unset = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_NUM_THREADS")}
    busy = [subprocess.Popen([sys.executable, "-c", COUNT]) for _ in range(n_busy)]
    try:
        command = [sys.executable, "-c", FIT, str(rows), str(epochs)]
        done = subprocess.run(command, env={**unset, **settings}, capture_output=True, text=True, check=True)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    return tuple(map(float, done.stdout.split()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busy", type=int, nargs="*", default=[joblib.cpu_count()], help="processes that count")
    parser.add_argument("--spins", nargs="*", default=[], help="more numbers of spins (GOMP_SPINCOUNT) to try")
    parser.add_argument("--rows", type=int, default=1246, help="of the emoji")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()

    ways = {"by default": {}, OWN: {"GOMP_SPINCOUNT": "300000"}, "one thread": {"OMP_NUM_THREADS": "1"}}
    ways |= {f"{spins} spins": {"GOMP_SPINCOUNT": spins} for spins in arguments.spins}
    loads = [0, *arguments.busy]
    measured = {(way, load): [] for way in ways for load in loads}
    for _ in range(arguments.repeats):
        for way, load in measured:  # in turns, as machines are noisy
            measured[way, load].append(fit_beside(load, ways[way], arguments.rows, arguments.epochs))
    seconds = {key: statistics.median(wall for wall, _ in runs) for key, runs in measured.items()}
    cpu = {key: statistics.median(used for _, used in runs) for key, runs in measured.items()}

    print(f"{arguments.rows} rows, {arguments.epochs} epochs, {joblib.cpu_count()} cores\n")
    beside = [f"beside {load} | / alone | CPU" for load in arguments.busy]
    header = ["how threads wait", "alone", f"/ {OWN}", "CPU", *beside]
    print(f"| {' | '.join(header)} |")
    print("|---" * (4 + 3 * len(beside)) + "|")
    for way in ways:
        alone = seconds[way, 0]
        cells = [way, f"{alone:.1f} s", f"{alone / seconds[OWN, 0]:.2f}", f"{cpu[way, 0]:.1f} s"]
        for load in arguments.busy:
            cells += [f"{seconds[way, load]:.1f} s", f"{seconds[way, load] / alone:.2f}", f"{cpu[way, load]:.1f} s"]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
