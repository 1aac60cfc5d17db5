"""Readable pure-torch twins of the native operators: their oracle, and the fallback where no kernel exists."""

from cliffnet.reference._bilinear import bilinear as bilinear
