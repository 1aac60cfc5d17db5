"""Readable pure-torch twins of the native operators: their oracle, and the fallback where no kernel exists."""

from cliffnet.reference._activations import ACTIVATIONS as ACTIVATIONS
from cliffnet.reference._attention import Comparison as Comparison
from cliffnet.reference._attention import attention_features as attention_features
from cliffnet.reference._attention import attention_values as attention_values
from cliffnet.reference._attention import comparison_of as comparison_of
from cliffnet.reference._attention_backward import attention_features_backward as attention_features_backward
from cliffnet.reference._bilinear import bilinear as bilinear
from cliffnet.reference._class_gate import RECIPROCAL as RECIPROCAL
from cliffnet.reference._class_gate import SIGMOID as SIGMOID
from cliffnet.reference._class_gate import class_gate as class_gate
from cliffnet.reference._class_gate import class_gate_backward as class_gate_backward
from cliffnet.reference._fully_connected import fully_connected_product as fully_connected_product
from cliffnet.reference._fully_connected import fully_connected_product_backward as fully_connected_product_backward
from cliffnet.reference._gated_steerable import Surroundings as Surroundings
from cliffnet.reference._gated_steerable import gated_steerable_product as gated_steerable_product
from cliffnet.reference._gated_steerable import (
    gated_steerable_product_backward as gated_steerable_product_backward,
)
from cliffnet.reference._layers import INVERSE as INVERSE
from cliffnet.reference._layers import INVERSE_ROOT as INVERSE_ROOT
from cliffnet.reference._layers import MAGNITUDE as MAGNITUDE
from cliffnet.reference._layers import NORM as NORM
from cliffnet.reference._layers import SQUARE as SQUARE
from cliffnet.reference._layers import channel_norm as channel_norm
from cliffnet.reference._layers import channel_norm_backward as channel_norm_backward
from cliffnet.reference._layers import class_invariants as class_invariants
from cliffnet.reference._layers import class_invariants_backward as class_invariants_backward
from cliffnet.reference._layers import gate as gate
from cliffnet.reference._layers import gate_backward as gate_backward
from cliffnet.reference._layers import self_gate as self_gate
from cliffnet.reference._layers import self_gate_backward as self_gate_backward
from cliffnet.reference._linear import equivariant_linear as equivariant_linear
from cliffnet.reference._linear import equivariant_linear_backward as equivariant_linear_backward
from cliffnet.reference._product_and_join import channel_groups as channel_groups
from cliffnet.reference._product_and_join import product_and_join as product_and_join
from cliffnet.reference._segments import gather as gather
from cliffnet.reference._segments import segment_sum as segment_sum
from cliffnet.reference._steerable import steerable_product as steerable_product
from cliffnet.reference._steerable import steerable_product_backward as steerable_product_backward
