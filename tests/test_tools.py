"""The tools that check the code are those that are said to."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_ruff_is_one_version_wherever_it_runs():
    (pinned,) = re.findall(r"^ruff==(.+)$", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    hook = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    assert re.findall(r"ruff-pre-commit\n +rev: v(.+)$", hook, re.MULTILINE) == [pinned]
    assert re.findall(r'"ruff>=(.+)"', (ROOT / "pyproject.toml").read_text("utf-8")) == [pinned]
