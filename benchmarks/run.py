"""Run benchmarks, one after the other, and write what they found as one JSON file and one Markdown table.

Every figure of the Markdown table compares two things that were measured in the same run: a ratio, or a difference with
its interval. The JSON file has all that the benchmarks print, how long they took, and on what machine.

    python benchmarks/run.py                       # those of speed and memory: most of an hour on 2 cores
    python benchmarks/run.py throughput search     # some
    python benchmarks/run.py --quality --films FOLDER --reviews FILE --photos FOLDER  # the others: hours
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import joblib

HERE = Path(__file__).parent
SPEED = {
    "throughput": [],
    "learning_speed": [],
    "defaults": [],
    "search": [],
    "many_classes": [],
    "frozen": [],
    "embedders": [],
    "pretrained_search": [],
    "fusion_speed": [],
    "decoders": [],
    "duplicates": [],
    "stores": [],
    "threads": [],
    "busy": [],
    "larger_than_memory": ["--without"],
    "search_vectors": ["exact", "files"],
    "sizes": [],
    "joint_space_cost": [],
    "sounds": ["speed", "search"],
    "writing_speed": [],
}
QUALITY = {
    "emoji": [],
    "choices": ["--keep", "5"],
    "few_rows": ["--noise", "pictures", "names"],
    "pretrained": [],
    "few_shot": [],
    "languages": [],
    "readings": [],
    "larger_pictures": [],
    "tables": [],
    "more_rows": ["--rows", "500", "2000", "8000"],
    "videos": ["motion", "claims"],
    "fusion": [],
    "fusion_xor": [],
    "balancing": [],
    "films": ["--folder", "{films}"],
    "clothing": ["--file", "{reviews}"],
    "retrieval": ["--photos", "{photos}"],
    "emoji_retrieval": [],
    "captioning": ["--photos", "{photos}"],
    "masked_translation": ["--photos", "{photos}", "--pairs", "{sentences}"],
    "translation": ["--folder", "{sentences}", "--minutes", "30"],
}
RELATIVE = (" / ", "−", "times")  # what the header of a column that compares has in it
PACKAGES = ["sklearn-mm", "numpy", "scikit-learn", "skorch", "torch", "pandas", "pillow"]


def machine():
    """Return what figures depend on, by name."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), model)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else None
    return {
        "processor": model,
        "cores": joblib.cpu_count(),
        "memory": "unknown" if memory is None else f"{memory / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        **{name: os.environ.get(name, "not set") for name in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT")},
    }


def tables(text):
    """Return the Markdown tables of a text: for each a list of rows, dicts by the names of the columns."""
    found, header = [], None
    for line in [*text.splitlines(), ""]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else None
        if cells is None:
            header = None
        elif header is None:
            header = cells
            found.append([])
        elif not set(line) <= set("|-:"):
            found[-1].append(dict(zip(header, cells, strict=True)))
    return found


def comparisons(name, found):
    """Yield benchmark, row, column and value of all figures that compare."""
    for rows in found:
        for row in rows:
            label, *cells = row.items()
            for column, value in cells:
                if value and any(sign in column for sign in RELATIVE):
                    yield name, label[1] or "all", column, value


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="benchmarks; by default all of speed and memory")
    parser.add_argument("--quality", action="store_true", help="those of quality instead")
    parser.add_argument("--films", help="folder of the benchmark of films, which is left out without")
    parser.add_argument("--reviews", help="file of the benchmark of reviews, which is left out without")
    parser.add_argument("--photos", help="folder of the benchmarks of photographs, which are left out without")
    parser.add_argument("--sentences", help="folder of the benchmark of translation, which is left out without")
    parser.add_argument("--options", default="", help="more options for each of them, as one string")
    parser.add_argument("--to", type=Path, default=Path("results"), help="files to write to, without their ending")
    arguments = parser.parse_args()

    known = {**SPEED, **QUALITY}
    unknown = set(arguments.names) - set(known)
    if unknown:
        parser.error(f"unknown benchmarks {sorted(unknown)}; there are {list(known)}")
    os.environ.setdefault("GOMP_SPINCOUNT", "5000")  # as the package has it, for those that import torch before it
    results, lines = {"machine": machine(), "started": datetime.now(UTC).isoformat(), "benchmarks": {}}, []
    for name in arguments.names or (QUALITY if arguments.quality else SPEED):
        options = [getattr(arguments, part[1:-1]) if part[0] == "{" else part for part in known[name]]
        if None in options:
            print(f"{name} is left out: its data are not part of the project, and were not given.", flush=True)
            continue
        command = [sys.executable, str(HERE / f"{name}.py"), *options, *arguments.options.split()]
        print(f"\n{name} ...", flush=True)
        start = time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        print(done.stdout)
        results["benchmarks"][name] = {
            "options": command[2:],
            "seconds": round(time.perf_counter() - start, 1),
            "failed": done.returncode != 0,
            "tables": tables(done.stdout),
        }
        lines += [f"| {' | '.join(cells)} |" for cells in comparisons(name, tables(done.stdout))]
        if done.returncode:
            lines.append(f"| {name} | all | failed | exit code {done.returncode} |")
        header = ["| benchmark | row | what is compared | value |", "|---|---|---|---|"]
        about = ", ".join(f"{key} {value}" for key, value in results["machine"].items())
        arguments.to.with_suffix(".json").write_text(json.dumps(results, indent=1, ensure_ascii=False))
        arguments.to.with_suffix(".md").write_text("\n".join([*header, *lines, "", f"Measured on: {about}.", ""]))
    if any(found["failed"] for found in results["benchmarks"].values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
