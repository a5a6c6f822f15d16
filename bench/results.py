"""The raw figures of a run as JSON, with the machine, the versions and the commit they belong to."""

from __future__ import annotations

import json
from dataclasses import asdict, is_dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

from pytest_benchmark.plugin import pytest_benchmark_generate_machine_info
from pytest_benchmark.utils import get_commit_info

from timers.version import __version__

LIBRARIES = ("Cython", "sortedcontainers", "numpy")


def circumstances() -> dict[str, Any]:
    info: dict[str, Any] = pytest_benchmark_generate_machine_info()  # type: ignore[no-untyped-call]
    commit: dict[str, Any] = get_commit_info()  # type: ignore[no-untyped-call]
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "cpu": info["cpu"].get("brand_raw", "unknown"),
            "cores": info["cpu"].get("count"),
            "system": f"{info['system']} {info['machine']}",
        },
        "versions": {
            "multinotifier": __version__,
            "python": f"{info['python_implementation']} {info['python_version']}, {info['python_compiler']}",
            **{name: version(name) for name in LIBRARIES},
        },
        "commit": {"id": commit["id"], "dirty": commit["dirty"]},
    }


def describe(about: dict[str, Any]) -> str:
    """One line of it, for a table or a chart."""
    commit = about["commit"]["id"][:10] + ("+" if about["commit"]["dirty"] else "")
    return f"{about['versions']['python']}; {about['machine']['cpu']}; {about['date'][:10]}; commit {commit}"


def save(path: Path, about: dict[str, Any], **figures: Any) -> None:
    def plain(thing: Any) -> Any:
        if is_dataclass(thing) and not isinstance(thing, type):
            return asdict(thing)
        raise TypeError(f"not for JSON: {thing!r}")

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**about, **figures}, indent=1, default=plain) + "\n")
