"""One module per task; the table of them is in ``cliffnet.training._task``."""
