"""The networks and the colour prior: tensors in, tensors out."""
