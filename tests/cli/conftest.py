"""Run the command in this process, or in one of its own."""

import os
import subprocess
import sys

import pytest
import torch

from cliffnet.cli import main


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.getbasetemp() / "cliffnet-cache"
    monkeypatch.setenv("CLIFFNET_CACHE_DIR", str(folder))
    monkeypatch.setenv("MPLCONFIGDIR", str(folder))
    return folder


@pytest.fixture
def cliffnet(capsys):
    """Return a function that runs the command and gives its exit code, output and error output."""
    threads = torch.get_num_threads()

    def run(*words):
        try:
            code = main([str(word) for word in words])
        except SystemExit as stop:  # argparse
            code = stop.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield run
    torch.set_num_threads(threads)


@pytest.fixture
def spawn():
    """Return a function that starts ``python -m cliffnet`` in a process of its own."""
    started = []

    def start(*words, **options):
        process = subprocess.Popen(
            [sys.executable, "-m", "cliffnet", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            **options,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
