"""Snapshots at random moments: original and copy are given the same operations and answer the same, to the end."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.driver import CONFIGS, COPIERS, USUAL, Chooser, Config, Stage

# Between two snapshots, and after the last of them.
OPERATIONS = 25


def config_of(name: str) -> Config:
    config = CONFIGS[name]
    return replace(
        config, weights={**(config.weights or USUAL), "copy": 0, "switch": 0, "drop": 0, "keep": 0, "restore": 0}
    )


def check(name: str, seed: int, moments: int) -> int:
    """Take `moments` snapshots of one notifier; answers their number."""
    config = config_of(name)
    stage = Stage(config)
    chooser = Chooser(stage, seed)
    rng = random.Random(-seed - 1)
    for _ in range(moments):
        for kind in chooser.choices(rng.randrange(2 * OPERATIONS)):
            stage.apply(chooser.operation(kind))
        deep, copier = COPIERS[rng.choice(list(COPIERS))]
        twin = Stage(config, copier(stage.notifier))
        twin.oracle = stage.oracle.twin(deep)
        for kind in chooser.choices(OPERATIONS):
            operation = chooser.operation(kind)
            for one in rng.sample((stage, twin), 2):
                one.apply(operation)
        assert [at for at, _ in stage.notifier] == [at for at, _ in twin.notifier]
        twin.notifier._check()
        twin.finish()
        stage.notifier._check()
    stage.finish()
    return moments
