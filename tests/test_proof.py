"""The tools of `tests.proof` keep up with the code that they change."""

from __future__ import annotations

import pytest

from tests.proof.builds import ROOT

# They need what the extra `proof` brings.
faults = pytest.importorskip("tests.proof.faults")
mutants = pytest.importorskip("tests.proof.mutants")

pytestmark = pytest.mark.skipif(not (ROOT / "timers").exists(), reason="there are no sources beside the tests")


def test_every_planted_fault_has_its_place() -> None:
    for fault in [*faults.FAULTS, faults.RACE]:
        assert (ROOT / fault.path).read_text().count(fault.old) == 1, fault.what


def test_every_excuse_is_for_some_mutant() -> None:
    found = [str(mutant) for mutant in mutants.all_mutants()]
    for part, _ in mutants.HARMLESS:
        assert any(part in mutant for mutant in found), part
