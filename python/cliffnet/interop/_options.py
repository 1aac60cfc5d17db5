"""Constructor arguments of foreign classes."""

from typing import Any

from cliffnet.errors import ConfigError
from cliffnet.nn.config import near_matches


def reject_unknown(title: str, options: dict[str, Any], known: list[str]) -> None:
    """Raise :class:`ConfigError` for an option that the class does not have."""
    for name in options:
        if name not in known:
            raise ConfigError(
                f"{title} has no argument {name!r}{near_matches(name, known)} (known: {', '.join(known)})"
            )


def require(title: str, options: dict[str, Any], *names: str) -> None:
    """Raise :class:`ConfigError` for options that the class needs and that are missing or None."""
    missing = [name for name in names if options.get(name) is None]
    if missing:
        raise ConfigError(f"{title} needs {', '.join(missing)} in its config")
