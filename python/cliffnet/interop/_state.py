"""Reading a foreign state dict entry by entry, and reporting everything that does not fit at once."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cliffnet.errors import StateDictError

State = dict[str, Tensor]


class StateReader:
    """Hands out entries of a state dict by name and remembers which were missing, misshapen or never asked for.

    Parameters
    ----------
    state : mapping of str to Tensor or array
        The foreign state dict.
    """

    def __init__(self, state: Mapping[str, Any]) -> None:
        self.state = {
            name: value if isinstance(value, Tensor) else torch.as_tensor(value) for name, value in state.items()
        }
        self.unread = dict.fromkeys(self.state)
        self.problems: list[str] = []

    def drop(self, *names: str) -> None:
        """Take note that these entries have no part in what the module computes."""
        for name in names:
            self.unread.pop(name, None)

    def drop_all(self, prefix: str) -> None:
        """Take note that no entry with this prefix has a part in what the module computes."""
        self.drop(*(name for name in self.state if name.startswith(prefix)))

    def take(self, name: str, *shape: int, floating: bool = True) -> Tensor:
        """Return the entry ``name``; zeros of the expected shape stand in for one that does not fit."""
        value = self.state.get(name)
        self.unread.pop(name, None)
        if value is None:
            self.problems.append(f"missing {name} {shape}")
        elif tuple(value.shape) != shape:
            self.problems.append(f"misshapen {name}: {tuple(value.shape)}, expected {shape}")
        elif floating and not value.is_floating_point():
            self.problems.append(f"{name} has dtype {value.dtype}, expected a floating-point one")
        else:
            return value
        return torch.zeros(shape)

    def finish(self, title: str) -> None:
        """Raise :class:`StateDictError` if anything did not fit."""
        problems = self.problems + [f"unexpected {name}" for name in self.unread]
        if problems:
            raise StateDictError(
                f"the state dict does not fit {title} with this config:\n  " + "\n  ".join(sorted(problems))
            )


Converter = Callable[[StateReader], State]
Built = tuple[nn.Module, Converter]


def prefixed(prefix: str, state: State) -> State:
    """Return the state with the prefix before all names."""
    return {f"{prefix}{name}": value for name, value in state.items()}
