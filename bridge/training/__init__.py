"""Generated clips and the training of all networks."""
