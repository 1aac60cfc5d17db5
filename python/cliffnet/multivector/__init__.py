"""Multivectors with operators, as a thin wrapper around tensors."""

from cliffnet.multivector import _registration as _registration
from cliffnet.multivector._multivector import Multivector as Multivector
from cliffnet.multivector._parse import parse as parse
