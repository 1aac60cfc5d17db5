"""Multivectors on disk."""

from cliffnet.io._ga import load_ga as load_ga
from cliffnet.io._ga import save_ga as save_ga
from cliffnet.io._safetensors import load as load
from cliffnet.io._safetensors import save as save
