"""A training process of a reproduction: ``python -m cliffnet.training.reproduction._worker``.

It reads one run a line from standard input and writes what happens as lines of JSON to standard output, until the
input ends. The process that started it may vanish: then it writes a checkpoint and ends as on SIGTERM.
"""

import json
import os
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

import torch

from cliffnet.errors import CliffnetError, CliffnetInternalError
from cliffnet.training._checkpoint import load_progress
from cliffnet.training._config import RunConfig
from cliffnet.training._progress import Bar, Reporter
from cliffnet.training._run import resume_run, start_run
from cliffnet.training._signals import TrainingInterrupted

_SECONDS_BETWEEN_MESSAGES = 0.2


class Channel(Reporter):
    """Progress and messages as lines of JSON.

    Parameters
    ----------
    descriptor : int
        File descriptor to write to.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._bars = 0
        self._broken = False

    def send(self, kind: str, **content: Any) -> None:
        """Write one message."""
        if self._broken:
            return
        try:
            line = json.dumps({"kind": kind, **content}).encode() + b"\n"
            while line:
                line = line[os.write(self._descriptor, line) :]
        except BrokenPipeError:  # nobody is listening any more, so nobody will ask us to stop
            self._broken = True
            os.kill(os.getpid(), signal.SIGTERM)

    def say(self, text: str) -> None:
        """Send the line."""
        self.send("say", text=text)

    def open_bar(self, label: str, total: int, done: int, unit: str, passing: bool = False) -> Bar:
        """Return a bar that is drawn by the other process."""
        self._bars += 1
        self.send("open", bar=self._bars, label=label, total=total, done=done, unit=unit)
        return _SentBar(self, self._bars)


class _SentBar(Bar):
    def __init__(self, channel: Channel, number: int) -> None:
        self._channel, self._number = channel, number
        self._amount, self._note = 0, ""
        self._sent = time.monotonic()

    def advance(self, amount: int, note: str = "") -> None:
        self._amount += amount
        self._note = note or self._note
        if time.monotonic() - self._sent >= _SECONDS_BETWEEN_MESSAGES:
            self._send()

    def finish(self) -> None:
        self._send()
        self._channel.send("close", bar=self._number)

    def _send(self) -> None:
        self._channel.send("advance", bar=self._number, amount=self._amount, note=self._note)
        self._amount, self._sent = 0, time.monotonic()


def train(config: RunConfig, folder: Path, channel: Channel) -> None:
    """Start a run, or go on with it, and say how it ended.

    Parameters
    ----------
    config : RunConfig
        The run; its device and threads also hold for one that goes on.
    folder : Path
        Run folder.
    channel : Channel
        Where progress and the end are told.

    Raises
    ------
    TrainingInterrupted
        As :meth:`Trainer.fit`.
    """
    try:
        if config.threads:
            torch.set_num_threads(config.threads)
        if load_progress(folder) is None:
            start_run(config, folder, overwrite=True, reporter=channel)
        else:
            resume_run(folder, config.device, channel)
    except TrainingInterrupted:
        raise
    except CliffnetInternalError as error:
        traceback.print_exc()
        channel.send("failed", message=str(error))
    except (CliffnetError, OSError, MemoryError) as error:
        channel.send("failed", message=str(error) or type(error).__name__)
    except Exception as error:  # a defect: the trace belongs in a report, the other runs go on
        traceback.print_exc()
        channel.send("failed", message=f"{type(error).__name__}: {error}")
    else:
        channel.send("finished")


def main() -> int:
    """Train what standard input asks for; return the exit code."""
    channel = Channel(os.dup(1))
    os.dup2(2, 1)  # what libraries print must not be taken for messages
    warnings.showwarning = lambda message, *_: channel.say(f"warning: {message}")
    for line in sys.stdin:
        job = json.loads(line)
        try:
            train(RunConfig.from_json(job["config"]), Path(job["folder"]), channel)
        except TrainingInterrupted as stop:
            channel.send("interrupted", step=stop.step, signum=stop.signum)
            return 128 + stop.signum
    return 0


if __name__ == "__main__":
    sys.exit(main())
