"""Snapshots at random moments: original and copy are given the same operations and answer the same, to the end."""

from __future__ import annotations

import random
from dataclasses import replace

from tests.configs import CONFIGS, USUAL, Config
from tests.driver import Chooser, Operation, Stage
from tests.oracle import Oracle
from tests.tokens import COPIERS

# Between two snapshots, and after the last of them.
OPERATIONS = 25


def config_of(name: str) -> Config:
    config = CONFIGS[name]
    return replace(
        config, weights={**(config.weights or USUAL), "copy": 0, "switch": 0, "drop": 0, "keep": 0, "restore": 0}
    )


def own(operation: Operation, ours: Oracle, theirs: Oracle) -> Operation:
    """The operation with the tokens that the twin has: identity decides what is cancelled."""
    places = {id(token): key for key, token in ours.tokens.items()}
    mine = (theirs.tokens.get(places.get(id(argument), -1), argument) for argument in operation.arguments)
    return Operation(operation.name, tuple(mine))


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
        twin.adopt(twin.notifier, twin.oracle)
        for kind in chooser.choices(OPERATIONS):
            operation = chooser.operation(kind)
            pair = [(stage, operation), (twin, own(operation, stage.oracle, twin.oracle))]
            for one, its in rng.sample(pair, 2):
                one.apply(its)
        assert [at for at, _ in stage.notifier] == [at for at, _ in twin.notifier]
        twin.notifier._check()
        twin.finish()
        stage.notifier._check()
    stage.finish()
    return moments
