"""The two networks and the colour prior: tensors in, tensors out."""
