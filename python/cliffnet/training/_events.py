"""Scalars for TensorBoard.

Written at once and in the calling thread: a queue and a thread of its own, as in torch's writer, would lose the last
rows of a run that is killed and would report a full disk from a place where nobody can catch it.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path

from cliffnet.data.storage import require

_FILE_VERSION = "brain.Event:2"


class EventFile:
    """A file of TensorBoard events.

    Parameters
    ----------
    folder : Path
        Folder of event files; made if missing.
    step : int
        Step from which a run goes on; TensorBoard hides what older files have behind it. 0 for a new run.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self._event = require("tensorboard.compat.proto.event_pb2")
        self._summary = require("tensorboard.compat.proto.summary_pb2").Summary
        folder.mkdir(exist_ok=True)
        self._file = (folder / f"events.out.tfevents.{time.time_ns()}.{os.getpid()}").open("wb")
        self._records = require("tensorboard.summary.writer.record_writer").RecordWriter(self._file)
        self._add(file_version=_FILE_VERSION)
        if step:
            start = self._event.SessionLog(status=self._event.SessionLog.START)
            self._add(step=step + 1, session_log=start)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write some scalars of one step.

        Parameters
        ----------
        step : int
            Steps taken.
        values : mapping of str to float
            By tag.
        """
        scalars = [self._summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._add(step=step, summary=self._summary(value=scalars))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _add(self, **content: object) -> None:
        event = self._event.Event(wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())
        self._file.flush()
