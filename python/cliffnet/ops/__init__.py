"""The operators: native kernels with their fakes, derivatives and torch registrations."""

from cliffnet.ops._attention import attention_features as attention_features
from cliffnet.ops._attention import attention_values as attention_values
from cliffnet.ops._backend import active_backend as active_backend
from cliffnet.ops._backend import build_info as build_info
from cliffnet.ops._bilinear import bilinear as bilinear
from cliffnet.ops._class_gate import class_gate as class_gate
from cliffnet.ops._cuda import cache_folder as cache_folder
from cliffnet.ops._cuda import cuda_info as cuda_info
from cliffnet.ops._cuda import cuda_operators as cuda_operators
from cliffnet.ops._fully_connected import fully_connected_product as fully_connected_product
from cliffnet.ops._gated_steerable import gated_steerable_product as gated_steerable_product
from cliffnet.ops._layers import channel_norm as channel_norm
from cliffnet.ops._layers import class_invariants as class_invariants
from cliffnet.ops._layers import gate as gate
from cliffnet.ops._layers import self_gate as self_gate
from cliffnet.ops._linear import equivariant_linear as equivariant_linear
from cliffnet.ops._linear_streams import Streams as Streams
from cliffnet.ops._linear_streams import linear_streams as linear_streams
from cliffnet.ops._offline import MadeKernel as MadeKernel
from cliffnet.ops._offline import compiling_for as compiling_for
from cliffnet.ops._offline import kernels_made as kernels_made
from cliffnet.ops._product_and_join import product_and_join as product_and_join
from cliffnet.ops._segments import gather as gather
from cliffnet.ops._segments import segment_sum as segment_sum
from cliffnet.ops._shared_key_attention import shared_key_attention as shared_key_attention
from cliffnet.ops._steerable import steerable_product as steerable_product
