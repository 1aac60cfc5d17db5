"""Parsing the command line, and turning every expected failure into one message and an exit code.

Exit codes: 0 done; 2 wrong input, a missing file or package, a full disk, a run that failed; 130 and 143 interrupted by
Ctrl-C or SIGTERM.
"""

import argparse
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

from cliffnet.cli import _demo, _eval, _info, _reproduce, _train, _warmup
from cliffnet.errors import CliffnetError, CliffnetInternalError
from cliffnet.training import TrainingInterrupted
from cliffnet.training.reproduction import ReproductionInterrupted

_COMMANDS = (_info, _train, _eval, _reproduce, _demo, _warmup)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after the program name, ``sys.argv[1:]`` by default.

    Returns
    -------
    int
        Exit code.
    """
    parser = argparse.ArgumentParser(prog="cliffnet", description="Geometric (Clifford) algebra for PyTorch.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in _COMMANDS:
        module.add_parser(commands)
    options = parser.parse_args(arguments)
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            code: int = options.run(options)
            sys.stdout.flush()
        except BrokenPipeError:  # the reader of our output has gone, e.g. `cliffnet info | head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE
        except TrainingInterrupted as stop:
            return _fail(
                f"stopped after step {stop.step}; go on with: cliffnet train --resume {stop.folder}", 128 + stop.signum
            )
        except ReproductionInterrupted as stop:
            return _fail(str(stop), 128 + stop.signum)
        except KeyboardInterrupt:
            return _fail("interrupted", 128 + signal.SIGINT)
        except CliffnetInternalError:
            raise  # a defect: the trace belongs in the report
        except CliffnetError as error:
            return _fail(f"error: {error}", 2)
        except OSError as error:
            return _fail(f"error: {error}", 2)
    return code


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"cliffnet: {message}\n")
    return code


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning as one line, without the source line that raised it."""
    sys.stderr.write(f"cliffnet: warning: {message}\n")
