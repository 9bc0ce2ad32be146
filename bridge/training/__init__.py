"""Generated clips and the training of both stages."""
