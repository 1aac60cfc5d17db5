"""One module per published table; ``cliffnet.training.reproduction`` finds them by name."""
