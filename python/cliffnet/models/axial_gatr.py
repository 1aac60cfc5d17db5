"""GATr over two item axes, attending along one at a time."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from cliffnet import functional as F
from cliffnet.algebra import Algebra
from cliffnet.errors import ConfigError, ShapeError
from cliffnet.models._gatr_block import GATrBlock, Streams, check_parts, run_part
from cliffnet.models.gatr import check_channel_counts, join_reference_multivector
from cliffnet.nn import Compatibility, EquivariantLinear, MLPConfig, SelfAttentionConfig
from cliffnet.nn.layout import check_multivectors


def _pair(name: str, value: Sequence[bool]) -> tuple[bool, bool]:
    pair = tuple(value)
    if len(pair) != 2 or not all(isinstance(entry, bool) for entry in pair):
        raise ConfigError(f"{name} is {value!r}; give two booleans, one for each item axis")
    return pair


def _swap_item_axes(mv: Tensor, scalars: Tensor | None) -> Streams:
    """Exchange the two item axes of both streams."""
    return F.to_blade_major(mv.transpose(-4, -3)), None if scalars is None else scalars.transpose(-3, -2)


class AxialGATr(nn.Module):
    """Geometric algebra transformer over two item axes.

    Blocks 0, 2, ... attend along the second item axis, blocks 1, 3, ... along the first.

    Parameters
    ----------
    in_mv_channels, out_mv_channels, hidden_mv_channels : int
        Multivector channels of input, output and blocks.
    in_scalar_channels, out_scalar_channels, hidden_scalar_channels : int or None
        Scalar channels of input, output and blocks, each None where there are none.
    attention : SelfAttentionConfig or dict, optional
        Options of attention; ``positional_encodings`` overrides its positional encoding.
    mlp : MLPConfig or dict, optional
        Options of the MLPs.
    num_blocks : int
        Number of blocks.
    positional_encodings : pair of bool
        Whether scalar queries and keys are encoded by position along the first and the second item axis.
    collapse_dims : pair of bool
        Whether, in even and in odd blocks, the batch axis and the axis not attended to are made one, so that
        attention masks have one leading axis of that length. Needs exactly one batch axis.
    dropout_probability : float or None
        Grade dropout in every block.
    checkpoint : sequence of str, optional
        What to recompute in the backward pass: ``("block",)`` or some of ``"attention"`` and ``"mlp"``.
    algebra : Algebra, optional
        Algebra of the multivectors; Cl(3,0,1) if not given.
    compatibility : Compatibility or str, optional
        Faults of the reference to reproduce, ``"gatr-1.4.3"`` for all of them.

    Notes
    -----
    Pin-equivariant like :class:`~cliffnet.models.GATr`. Brehmer et al. 2023, section 4.3.
    """

    def __init__(
        self,
        in_mv_channels: int,
        out_mv_channels: int,
        hidden_mv_channels: int,
        in_scalar_channels: int | None = None,
        out_scalar_channels: int | None = None,
        hidden_scalar_channels: int | None = None,
        attention: SelfAttentionConfig | dict[str, Any] | None = None,
        mlp: MLPConfig | dict[str, Any] | None = None,
        num_blocks: int = 20,
        positional_encodings: Sequence[bool] = (False, False),
        collapse_dims: Sequence[bool] = (False, False),
        dropout_probability: float | None = None,
        checkpoint: Sequence[str] | None = None,
        *,
        algebra: Algebra | None = None,
        compatibility: Compatibility | str | None = None,
    ) -> None:
        super().__init__()
        check_channel_counts(
            in_mv_channels=in_mv_channels,
            out_mv_channels=out_mv_channels,
            hidden_mv_channels=hidden_mv_channels,
            num_blocks=num_blocks,
        )
        self.algebra = Algebra(3, 0, 1) if algebra is None else algebra
        self.compatibility = Compatibility.cast(compatibility)
        self.in_mv_channels = in_mv_channels
        self.collapse_dims = _pair("collapse_dims", collapse_dims)
        encodings = _pair("positional_encodings", positional_encodings)
        parts = check_parts(checkpoint, ("block", "attention", "mlp"))
        self.checkpoint_blocks = "block" in parts
        config = SelfAttentionConfig.cast(attention)
        allow = self.compatibility.missing_scalars_are_dropped
        self.linear_in = EquivariantLinear(
            in_mv_channels,
            hidden_mv_channels,
            in_scalar_channels,
            hidden_scalar_channels,
            algebra=self.algebra,
            allow_missing_scalars=allow,
        )
        self.blocks = nn.ModuleList(
            GATrBlock(
                hidden_mv_channels,
                hidden_scalar_channels,
                config.replace(positional_encoding=encodings[(index + 1) % 2]),
                mlp,
                dropout_probability,
                None if self.checkpoint_blocks else parts,
                algebra=self.algebra,
                compatibility=self.compatibility,
            )
            for index in range(num_blocks)
        )
        self.linear_out = EquivariantLinear(
            hidden_mv_channels, out_mv_channels, hidden_scalar_channels, out_scalar_channels, algebra=self.algebra
        )

    def forward(
        self,
        multivectors: Tensor,
        scalars: Tensor | None = None,
        attention_mask: Sequence[Tensor | None] | None = None,
        join_reference: Tensor | str = "data",
    ) -> Streams:
        """Transform multivectors and scalars.

        Parameters
        ----------
        multivectors : Tensor
            Shape (..., items_1, items_2, in_mv_channels, B).
        scalars : Tensor, optional
            Shape (..., items_1, items_2, in_scalar_channels).
        attention_mask : pair of (Tensor or None), optional
            Masks for attention along the first and along the second item axis, where the other item axis counts as
            a batch axis: (..., 1 or heads, items, items) or (items, items).
        join_reference : {"data", "canonical"} or Tensor
            What orients the joins; see :func:`~cliffnet.models.gatr.join_reference_multivector`.

        Returns
        -------
        tuple of Tensor and (Tensor or None)
            Shapes (..., items_1, items_2, out_mv_channels, B) and (..., items_1, items_2, out_scalar_channels).

        Raises
        ------
        ShapeError
            If an input does not fit the network.
        """
        check_multivectors(multivectors, self.in_mv_channels, self.algebra)
        if multivectors.dim() < 4 or (any(self.collapse_dims) and multivectors.dim() != 5):
            batch = "batch" if any(self.collapse_dims) else "..."
            raise ShapeError(
                f"multivectors have shape {tuple(multivectors.shape)}; expected ({batch}, items_1, items_2, channels, "
                f"{self.algebra.num_blades})"
            )
        masks = (None, None) if attention_mask is None else tuple(attention_mask)
        if len(masks) != 2:
            raise ShapeError(f"attention_mask has {len(masks)} entries; give a pair, one for each item axis")
        reference = join_reference_multivector(join_reference, multivectors, 2, self.algebra, self.compatibility)
        reference = reference.expand(*[1] * max(0, 4 - reference.dim()), *reference.shape)
        streams: Streams = self.linear_in(F.to_blade_major(multivectors), scalars)
        for index, block in enumerate(self.blocks):
            odd = index % 2 == 1
            if odd:
                streams = _swap_item_axes(*streams)
            oriented = reference.transpose(-4, -3) if odd else reference
            streams = self._run_block(block, streams, oriented, masks[(index + 1) % 2], self.collapse_dims[index % 2])
            if odd:
                streams = _swap_item_axes(*streams)
        outputs: Streams = self.linear_out(*streams)
        return outputs

    def _run_block(
        self, block: nn.Module, streams: Streams, reference: Tensor, mask: Tensor | None, collapse: bool
    ) -> Streams:
        """Run one block along the last item axis, with the axes before it collapsed if asked to."""
        if not collapse:
            return run_part(block, self.checkpoint_blocks, *streams, reference=reference, attention_mask=mask)
        mv, scalars = streams
        batch = mv.shape[:2]
        if reference.dim() == 5:
            reference = reference.expand(*batch, *reference.shape[2:]).flatten(0, 1)
        elif reference.shape[0] != 1:
            reference = reference.expand(*batch, *reference.shape[1:]).flatten(0, 1)
        collapsed = None if scalars is None else scalars.flatten(0, 1)
        mv, scalars = run_part(
            block, self.checkpoint_blocks, mv.flatten(0, 1), collapsed, reference=reference, attention_mask=mask
        )
        return mv.unflatten(0, batch), None if scalars is None else scalars.unflatten(0, batch)
