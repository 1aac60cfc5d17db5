"""Scripts that measure the figures cliffnet states; ``python -m benches`` runs them all."""
