"""Constructor arguments of reference classes, checked by the names they have there."""

from collections.abc import Mapping
from typing import Any

from cliffnet.errors import ConfigError
from cliffnet.nn.config import near_matches


def reject_unknown(title: str, options: Mapping[str, Any], known: list[str]) -> None:
    """Raise :class:`ConfigError` if an option is none of the known ones."""
    for name in options:
        if name not in known:
            raise ConfigError(
                f"{title} has no argument {name!r}{near_matches(name, known)} (known: {', '.join(known)})"
            )


def require(title: str, options: Mapping[str, Any], *names: str) -> None:
    """Raise :class:`ConfigError` if an option is missing or None."""
    missing = [name for name in names if options.get(name) is None]
    if missing:
        raise ConfigError(f"{title} needs {', '.join(missing)} in its config")


def read_arguments(title: str, options: Mapping[str, Any], *required: str, **defaults: Any) -> dict[str, Any]:
    """Return the options with the defaults filled in, after checking that there are no others and none is missing."""
    reject_unknown(title, options, [*required, *defaults])
    require(title, options, *required)
    return {**defaults, **options}
