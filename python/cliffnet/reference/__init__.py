"""Readable pure-torch twins of the native operators: their oracle, and the fallback where no kernel exists."""

from cliffnet.reference._bilinear import bilinear as bilinear
from cliffnet.reference._fully_connected import fully_connected_product as fully_connected_product
from cliffnet.reference._fully_connected import fully_connected_product_backward as fully_connected_product_backward
