"""Readable pure-torch twins of the native operators: their oracle, and the fallback where no kernel exists."""

from cliffnet.reference._bilinear import bilinear as bilinear
from cliffnet.reference._linear import equivariant_linear as equivariant_linear
from cliffnet.reference._linear import equivariant_linear_backward as equivariant_linear_backward
from cliffnet.reference._steerable import steerable_product as steerable_product
from cliffnet.reference._steerable import steerable_product_backward as steerable_product_backward
