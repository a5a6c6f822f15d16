"""Work on many cases in parallel processes, with a progress bar; a crash or a hang of one is told from the rest."""

from __future__ import annotations

import multiprocessing
import os
import signal
import traceback
from collections.abc import Iterable
from multiprocessing.connection import Connection, wait
from typing import Any, Callable, NamedTuple

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Processes of their own: a forked one starts at once, and dies without taking the others along.
CONTEXT = multiprocessing.get_context("fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn")


class Failure(NamedTuple):
    case: tuple[Any, ...]
    reason: str


def progress() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, refresh_per_second=2)


def _work(work: Callable[..., int], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        case = pipe.recv()
        if case is None:
            return
        try:
            pipe.send((work(*case), None))
        except BaseException as error:
            detail = str(error) if isinstance(error, AssertionError) and str(error) else traceback.format_exc()
            pipe.send((0, detail))


class Worker:
    def __init__(self, work: Callable[..., int]) -> None:
        self.pipe, theirs = CONTEXT.Pipe()
        self.process = CONTEXT.Process(target=_work, args=(work, theirs), daemon=True)  # type: ignore[attr-defined]
        self.process.start()
        theirs.close()
        self.case: tuple[Any, ...] | None = None

    def give(self, case: tuple[Any, ...] | None) -> None:
        self.case = case
        self.pipe.send(case)

    def take(self) -> tuple[int, str | None]:
        try:
            return self.pipe.recv()  # type: ignore[no-any-return]
        except EOFError:
            self.process.join()
            code = self.process.exitcode or 0
            return 0, f"the process died: {signal.strsignal(-code) if code < 0 else f'exit code {code}'}"

    def stop(self) -> None:
        self.process.terminate()
        self.process.join()


def spread(
    title: str, work: Callable[..., int], cases: Iterable[tuple[Any, ...]], total: int, jobs: int, patience: float = 900
) -> tuple[int, Failure | None]:
    """Call `work(*case)`, which answers how many units it did, until the cases end or one fails.

    A case that takes more than `patience` seconds hangs.
    """
    supply = iter(cases)
    done = 0
    failure: Failure | None = None
    workers = [Worker(work) for _ in range(jobs)]
    busy: dict[Any, Worker] = {}
    with progress() as bar:
        line = bar.add_task(title, total=total)
        for worker in workers:
            case = next(supply, None)
            if case is not None:
                worker.give(case)
                busy[worker.pipe] = worker
        while busy and failure is None:
            ready = wait(list(busy), timeout=patience)
            if not ready:
                hanging = next(iter(busy.values()))
                failure = Failure(hanging.case or (), f"no answer within {patience:.0f} s")
            for pipe in ready:
                worker = busy.pop(pipe)
                units, reason = worker.take()
                done += units
                bar.update(line, completed=done)
                if reason is not None:
                    failure = Failure(worker.case or (), reason)
                    break
                case = next(supply, None)
                if case is not None:
                    worker.give(case)
                    busy[pipe] = worker
    for worker in workers:
        worker.stop()
    return done, failure


def crashes(work: Callable[..., Any], *arguments: Any, patience: float = 60) -> bool:
    """Whether the call fails, in a process of its own: by an exception, a crash, or no end."""
    child = CONTEXT.Process(target=_silently, args=(work, arguments))  # type: ignore[attr-defined]
    child.start()
    child.join(patience)
    if child.is_alive():
        child.kill()
    child.join()
    return bool(child.exitcode != 0)


def _silently(work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        work(*arguments)
    except BaseException:
        os._exit(1)
    os._exit(0)
