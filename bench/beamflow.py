"""Sessions of an access log, as an Apache Beam pipeline: `python -m bench.beamflow`.

It prints what the Bytewax dataflow (`bench/dataflow.py`) prints: a line of JSON for each session that ended. The clock
is the log's own: every request sets an event-time timer for its client, half an hour later. Options are Beam's, and
`--output=PREFIX` for files instead of lines:

    --runner=DirectRunner                   the default: FnApiRunner or Prism, whichever Beam finds fit
    --runner=apache_beam.runners.portability.fn_api_runner.FnApiRunner
    --runner=BundleBasedDirectRunner
    --runner=PortableRunner --job_endpoint=HOST:PORT --environment_type=LOOPBACK

TIMERS_LOG names a log (Common or Combined Log Format, also gzipped) instead of the built-in one.
"""

import argparse
import sys
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Optional

try:
    import apache_beam as beam
    from apache_beam.coders import VarIntCoder
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.transforms.timeutil import TimeDomain
    from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
    from apache_beam.transforms.window import TimestampedValue

    from timers.beam import NotifierCoder, keep, kept, moment
except ImportError as error:
    sys.exit(f"the pipeline needs the extra: pip install 'multinotifier[beam]' ({error})")

from bench import access
from bench.access import TIMEOUT, Request


class Sessions(beam.DoFn):
    """Every request has a timer at its timeout, so the requests may come in any order.

    When a timer is due, the watermark has passed its timeout, and every request before that is known.
    """

    PENDING = ReadModifyWriteStateSpec("pending", NotifierCoder())
    REQUESTS = ReadModifyWriteStateSpec("requests", VarIntCoder())
    WAKE = TimerSpec("wake", TimeDomain.WATERMARK)

    def process(
        self,
        element: tuple[str, datetime],
        pending: Any = beam.DoFn.StateParam(PENDING),
        wake: Any = beam.DoFn.TimerParam(WAKE),
    ) -> None:
        timers = kept(pending)
        timers.notify_at(element[1] + TIMEOUT, None)
        keep(timers, pending, wake)

    @on_timer(WAKE)
    def ended(
        self,
        client: Any = beam.DoFn.KeyParam,
        now: Any = beam.DoFn.TimestampParam,
        pending: Any = beam.DoFn.StateParam(PENDING),
        requests: Any = beam.DoFn.StateParam(REQUESTS),
        wake: Any = beam.DoFn.TimerParam(WAKE),
    ) -> Iterable[str]:
        timers = kept(pending)
        count = requests.read() or 0
        # One after the other, since what is still pending tells whether the session goes on.
        while due := timers.due_items(moment(now), limit=1):
            (timeout, _) = due[0]
            count += 1
            following: Optional[datetime] = timers.next_at()
            if following is None or following - timeout >= TIMEOUT:
                yield access.record(client, count, timeout)
                count = 0
        requests.write(count)
        keep(timers, pending, wake)


def stamped(request: Request) -> Any:
    at, client = request
    return TimestampedValue((client, at), at.timestamp())


def main(arguments: Optional[list[str]] = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.beamflow", description=__doc__)
    parser.add_argument("--output", metavar="PREFIX", help="of files to write, instead of printing")
    ours, beams = parser.parse_known_args(arguments)
    with beam.Pipeline(options=PipelineOptions(beams)) as pipeline:
        ended = (
            pipeline
            | "log" >> beam.Create(access.requests())
            | "event time" >> beam.Map(stamped)
            | "sessions" >> beam.ParDo(Sessions())
        )
        _ = ended | (beam.io.WriteToText(ours.output) if ours.output else beam.Map(print))


if __name__ == "__main__":
    # Workers import the classes by this module's name.
    from bench.beamflow import main as importable

    importable()
