"""What several files of tests share."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest

from tests import window


@pytest.fixture(scope="module", autouse=True)
def walked_once() -> None:
    """Tests start hundreds of collections: these shall not walk all that modules and libraries keep."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def inside(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module `inside.pyx`, compiled once."""
    pytest.importorskip("_testcapi")
    folder = tmp_path_factory.mktemp("inside")
    window.compile(folder)
    return window.look(folder)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """An empty recovery store of Bytewax."""
    from tests.operator_steps import new_store

    return new_store(tmp_path / "store")
