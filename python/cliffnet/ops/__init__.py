"""The operators: native kernels with their fakes, derivatives and torch registrations."""

from cliffnet.ops._backend import active_backend as active_backend
from cliffnet.ops._backend import build_info as build_info
from cliffnet.ops._bilinear import bilinear as bilinear
from cliffnet.ops._layers import channel_norm as channel_norm
from cliffnet.ops._layers import class_invariants as class_invariants
from cliffnet.ops._layers import gate as gate
from cliffnet.ops._layers import self_gate as self_gate
