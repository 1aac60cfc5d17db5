"""What a training process of a reproduction tells the one that started it, and what it does when nobody listens."""

import json
import os
import signal

import pytest

from cliffnet.errors import CheckpointError, CliffnetInternalError
from cliffnet.training import TrainingInterrupted
from cliffnet.training.reproduction import _worker


@pytest.fixture
def channel():
    """Return a channel, and a function that gives what was sent through it."""
    reading, writing = os.pipe()

    def sent():
        os.close(writing)
        with os.fdopen(reading) as lines:
            return [json.loads(line) for line in lines]

    return _worker.Channel(writing), sent


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (CheckpointError("no room"), "no room"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (MemoryError(), "MemoryError"),
        (CliffnetInternalError("a defect"), "a defect"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero"),
    ],
)
def test_failure_is_told_and_the_process_goes_on(channel, make_config, tmp_path, monkeypatch, error, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(_worker, "start_run", fail)
    _worker.train(make_config(), tmp_path / "run", channel[0])
    assert channel[1]() == [{"kind": "failed", "message": message}]


def test_interruption_is_no_failure(channel, make_config, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise TrainingInterrupted(signal.SIGTERM, tmp_path, 3)

    monkeypatch.setattr(_worker, "start_run", stop)
    with pytest.raises(TrainingInterrupted):
        _worker.train(make_config(), tmp_path / "run", channel[0])
    assert channel[1]() == []


def test_bar_adds_up(channel):
    with channel[0].bar("training", 10, 2) as bar:
        for _ in range(8):
            bar.advance(1, "going well")
    opened, *advanced, closed = channel[1]()
    assert opened == {"kind": "open", "bar": 1, "label": "training", "total": 10, "done": 2, "unit": "steps"}
    assert sum(message["amount"] for message in advanced) == 8
    assert advanced[-1]["note"] == "going well"
    assert closed == {"kind": "close", "bar": 1}


def test_process_without_a_listener_asks_itself_to_stop_once():
    reading, writing = os.pipe()
    os.close(reading)
    received = []
    before = signal.signal(signal.SIGTERM, lambda signum, _: received.append(signum))
    try:
        channel = _worker.Channel(writing)
        channel.say("hello")
        channel.say("anybody?")
    finally:
        signal.signal(signal.SIGTERM, before)
        os.close(writing)
    assert received == [signal.SIGTERM]
