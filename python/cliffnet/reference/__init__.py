"""Readable pure-torch twins of the native operators: their oracle, and the fallback where no kernel exists."""

from cliffnet.reference._bilinear import bilinear as bilinear
from cliffnet.reference._product_and_join import channel_groups as channel_groups
from cliffnet.reference._product_and_join import product_and_join as product_and_join
