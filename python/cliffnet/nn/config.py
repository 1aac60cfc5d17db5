"""Options of the layers as typed, frozen dataclasses that cast from dicts and write themselves as JSON."""

import dataclasses
import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from cliffnet.algebra import Partition
from cliffnet.errors import AlgebraMismatchError, ConfigError

INITIALIZATIONS = ("default", "small", "unit_scalar", "almost_unit_scalar")
ACTIVATIONS = ("relu", "sigmoid", "gelu", "gelu_tanh", "silu", "tanh")


def near_matches(name: str, known: list[str]) -> str:
    """Return a hint such as ``; did you mean 'num_heads'?``, or nothing when no known name is near."""
    close = difflib.get_close_matches(name, known, n=2, cutoff=0.5)
    return f"; did you mean {' or '.join(repr(match) for match in close)}?" if close else ""


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


def _positive_integer(name: str, value: object) -> None:
    _require(
        isinstance(value, int) and not isinstance(value, bool) and value >= 1,
        f"{name} is {value!r}; give a whole number of at least 1",
    )


def _natural_number(name: str, value: object) -> None:
    _require(
        isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        f"{name} is {value!r}; give a whole number of at least 0",
    )


def _boolean(name: str, value: object) -> None:
    _require(isinstance(value, bool), f"{name} is {value!r}; give True or False")


def check_channels(**counts: object) -> None:
    """Raise :class:`ConfigError` unless every named count is a whole number of at least 1."""
    for name, count in counts.items():
        _positive_integer(name, count)


def check_optional_channels(**counts: object) -> None:
    """Raise :class:`ConfigError` unless every named count is a whole number of at least 0."""
    for name, count in counts.items():
        _natural_number(name, count)


def check_partition(partition: object) -> Partition:
    """Return ``partition``, or raise :class:`AlgebraMismatchError` if it is not one."""
    if not isinstance(partition, Partition):
        raise AlgebraMismatchError(
            f"partition is a {type(partition).__name__}; give one such as Partition.by_grade(algebra)"
        )
    return partition


def check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    """Raise :class:`ConfigError` unless ``value`` is one of ``choices``."""
    if value not in choices:
        hint = near_matches(str(value), list(choices))
        raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(choices)}{hint}")


def check_number(name: str, value: object, alternative: str = "") -> float:
    """Return ``value`` as a float, or raise :class:`ConfigError` if it is no number or NaN."""
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    _require(numeric and value == value, f"{name} is {value!r}; give a number{alternative}")
    return float(value)  # type: ignore[arg-type]  # numeric was just checked


def check_normalization(value: object) -> float | None:
    """Return the first strength of a normalisation, or None for no normalisation."""
    return None if value is None else check_number("normalization", value, ", or None for no normalisation")


def check_dropout(value: object) -> float | None:
    """Return a dropout probability in [0, 1) or None; the strings "none" and "null" mean None."""
    if value is None or (isinstance(value, str) and value.lower() in ("none", "null")):
        return None
    numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not numeric or not 0.0 <= float(value) < 1.0:  # type: ignore[arg-type]  # numeric was just checked
        raise ConfigError(f"dropout_probability is {value!r}; give None or a number with 0 <= p < 1")
    return float(value)  # type: ignore[arg-type]  # numeric was just checked


@dataclass(frozen=True)
class Config:
    """Base of all option sets: casting from a dict, and writing as a dict or JSON."""

    @classmethod
    def cast(cls, value: Any = None) -> Self:
        """Return ``value`` as an instance of this class.

        Parameters
        ----------
        value : None, mapping or instance
            None gives the defaults; a mapping gives its entries; an instance is returned as it is.

        Raises
        ------
        ConfigError
            On an unknown option (the nearest known names are suggested), a bad value or another type.
        """
        if value is None:
            return cls()
        if isinstance(value, cls):
            return value
        if not isinstance(value, Mapping):
            raise ConfigError(
                f"cannot make {cls.__name__} from {type(value).__name__}; give a dict or a {cls.__name__}"
            )
        known = [field.name for field in dataclasses.fields(cls) if field.init]
        for name in value:
            if name not in known:
                hint = near_matches(str(name), known)
                raise ConfigError(f"{cls.__name__} has no option {name!r}{hint} (known: {', '.join(known)})")
        try:
            return cls(**value)
        except TypeError as error:
            raise ConfigError(f"{cls.__name__}: {error}") from error

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some options changed."""
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain Python values that :meth:`cast` reads back."""
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        """Return the options as a JSON object."""
        return json.dumps(self.to_dict(), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what :meth:`to_json` wrote."""
        try:
            value = json.loads(text)
        except json.JSONDecodeError as error:
            raise ConfigError(f"{cls.__name__}: the text is not JSON ({error})") from error
        return cls.cast(value)


@dataclass(frozen=True)
class Compatibility(Config):
    """Faults of a reference implementation that a checkpoint trained with it needs.

    Every switch is off by default. ``Compatibility.cast("gatr-1.4.3")`` turns on what GATr 1.4.3 does, and
    ``"cgenn"`` and ``"glgenn"`` what those do.

    Parameters
    ----------
    values_see_additional_features : bool
        In multi-head attention (not in multi-query attention) the additional query and key features,
        such as reinserted channels, also reach the values.
    mixed_gelu : bool
        With the activation ``gelu`` multivectors are gated by the tanh approximation while scalars get the
        exact GELU. Without the switch both use the exact one.
    mean_keeps_outer_axes : bool
        The join reference ``"data"`` averages over all axes between the first and the last, whatever they are.
        With two batch axes it mixes samples and without a batch axis it differs from item to item.
        Without the switch it is the mean over the items and channels of each sample.
    missing_scalars_are_dropped : bool
        A layer that has scalar inputs may be called without them. Without the switch that is an error.
    single_precision_frequencies : bool
        The frequencies of the rotary positional encoding are rounded to float32 also in float64 models.
    norm_of_coefficients : bool
        Read-outs take the Euclidean norm of the coefficients in every metric, though it is invariant in Euclidean
        metrics only. Without the switch they take the norm of the metric.
    padding_counts : bool
        Padding takes part in means over particles and in the statistics of batches.
    invariants_of_old_features : bool
        A layer updates the scalars of particles with the invariants of the multivectors that come in. Without the
        switch it uses those of the updated multivectors.
    """

    values_see_additional_features: bool = False
    mixed_gelu: bool = False
    mean_keeps_outer_axes: bool = False
    missing_scalars_are_dropped: bool = False
    single_precision_frequencies: bool = False
    norm_of_coefficients: bool = False
    padding_counts: bool = False
    invariants_of_old_features: bool = False

    PRESETS: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "none": (),
        "gatr-1.4.3": (
            "values_see_additional_features",
            "mixed_gelu",
            "mean_keeps_outer_axes",
            "missing_scalars_are_dropped",
            "single_precision_frequencies",
        ),
        "cgenn": ("norm_of_coefficients", "padding_counts", "invariants_of_old_features"),
        "glgenn": ("norm_of_coefficients",),
    }

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _boolean(field.name, getattr(self, field.name))

    @classmethod
    def cast(cls, value: Any = None) -> Self:
        """Return ``value`` as switches; besides a dict it may be the name of a preset."""
        if isinstance(value, str):
            check_choice("compatibility", value, tuple(cls.PRESETS))
            return cls(**dict.fromkeys(cls.PRESETS[value], True))
        return super().cast(value)


@dataclass(frozen=True)
class BlockConfig(Config):
    """What the layers of networks over a partition are made of; ``BlockConfig.cast("glgenn")`` is GLGENN's choice.

    The defaults are those of CGENN, also to be had as ``BlockConfig.cast("cgenn")``.

    Parameters
    ----------
    bias : bool
        Whether linear maps add a bias to the scalars.
    first_order : bool
        Whether products add a linear term.
    normalization : float or None
        Initial value of the normalisation inside the products; None for none.
    gates : {"class", "grade"}
        Whether gates see and scale the classes of the partition, or each grade by itself whatever the partition.
    output_norm : {"layer", "class"}
        The norm at the end of a block: over all channels, or for each channel and class.
    shared_embedding : bool
        Whether the first linear map of a network has one weight for all classes.
    """

    bias: bool = True
    first_order: bool = True
    normalization: float | None = 0.0
    gates: str = "class"
    output_norm: str = "layer"
    shared_embedding: bool = True

    PRESETS: ClassVar[tuple[str, ...]] = ("cgenn", "glgenn")

    def __post_init__(self) -> None:
        for name in ("bias", "first_order", "shared_embedding"):
            _boolean(name, getattr(self, name))
        check_normalization(self.normalization)
        check_choice("gates", self.gates, ("class", "grade"))
        check_choice("output_norm", self.output_norm, ("layer", "class"))

    @classmethod
    def cast(cls, value: Any = None) -> Self:
        """Return ``value`` as options; besides a dict it may be the name of a preset."""
        if not isinstance(value, str):
            return super().cast(value)
        check_choice("blocks", value, cls.PRESETS)
        if value == "cgenn":
            return cls()
        return cls(bias=False, first_order=False, gates="grade", output_norm="class", shared_embedding=False)

    def embedding_partition(self, partition: Partition) -> Partition:
        """Return the classes of the first linear map."""
        return Partition.whole(partition.algebra) if self.shared_embedding else partition

    def gate_partition(self, partition: Partition) -> Partition:
        """Return the classes that the gates tell apart."""
        return partition if self.gates == "class" else Partition.by_grade(partition.algebra)


@dataclass(frozen=True)
class SelfAttentionConfig(Config):
    """Options of self- and cross-attention.

    Parameters
    ----------
    num_heads : int
        Number of attention heads.
    multi_query : bool
        Whether all heads share one set of keys and values.
    increase_hidden_channels : int
        Each head has ``max(increase * channels // num_heads, 1)`` multivector channels.
    additional_qk_mv_channels, additional_qk_scalar_channels : int
        Channels of additional features that only queries and keys see.
    normalizer_epsilon : float
        Softening of the division that makes distance features from homogeneous coordinates.
    positional_encoding : bool
        Whether to rotate scalar queries and keys by their position along the item axis (RoPE).
    positional_encoding_base : float
        Base of the frequencies of the positional encoding.
    output_initialization : str
        Initialisation of the output layer; transformer blocks use ``"small"``.
    dropout_probability : float or None
        Grade dropout after the output layer.
    """

    num_heads: int = 8
    multi_query: bool = True
    increase_hidden_channels: int = 2
    additional_qk_mv_channels: int = 0
    additional_qk_scalar_channels: int = 0
    normalizer_epsilon: float = 1e-3
    positional_encoding: bool = False
    positional_encoding_base: float = 4096.0
    output_initialization: str = "default"
    dropout_probability: float | None = None

    def __post_init__(self) -> None:
        _positive_integer("num_heads", self.num_heads)
        _positive_integer("increase_hidden_channels", self.increase_hidden_channels)
        _natural_number("additional_qk_mv_channels", self.additional_qk_mv_channels)
        _natural_number("additional_qk_scalar_channels", self.additional_qk_scalar_channels)
        _boolean("multi_query", self.multi_query)
        _boolean("positional_encoding", self.positional_encoding)
        for name in ("normalizer_epsilon", "positional_encoding_base"):
            value = getattr(self, name)
            numeric = isinstance(value, (int, float)) and not isinstance(value, bool)
            _require(numeric and value > 0, f"{name} is {value!r}; give a positive number")
        check_choice("output_initialization", self.output_initialization, INITIALIZATIONS)
        object.__setattr__(self, "dropout_probability", check_dropout(self.dropout_probability))

    def hidden_mv_channels(self, mv_channels: int) -> int:
        """Multivector channels of one head for this many input channels."""
        return max(self.increase_hidden_channels * mv_channels // self.num_heads, 1)

    def hidden_scalar_channels(self, scalar_channels: int | None) -> int | None:
        """Scalar channels of one head, at least 4; with positional encoding even and at least 8."""
        if scalar_channels is None:
            return None
        hidden = max(self.increase_hidden_channels * scalar_channels // self.num_heads, 4)
        return max((hidden + 1) // 2 * 2, 8) if self.positional_encoding else hidden


@dataclass(frozen=True)
class MLPConfig(Config):
    """Options of the geometric MLP in a transformer block.

    Parameters
    ----------
    activation : str
        Gated nonlinearity between the layers.
    dropout_probability : float or None
        Grade dropout after every layer; None leaves it to the model.
    increase_hidden_channels : int
        Width of the hidden layers as a multiple of the width of the block.
    num_hidden_layers : int
        Number of hidden layers; the first layer is bilinear.
    """

    activation: str = "gelu"
    dropout_probability: float | None = None
    increase_hidden_channels: int = 2
    num_hidden_layers: int = 1

    def __post_init__(self) -> None:
        check_choice("activation", self.activation, ACTIVATIONS)
        _positive_integer("increase_hidden_channels", self.increase_hidden_channels)
        _positive_integer("num_hidden_layers", self.num_hidden_layers)
        object.__setattr__(self, "dropout_probability", check_dropout(self.dropout_probability))

    def widths(self, channels: int) -> tuple[int, ...]:
        """Channels at each layer of an MLP that keeps this many channels from input to output."""
        return (channels, *(self.increase_hidden_channels * channels,) * self.num_hidden_layers, channels)
