"""Tensors, status, errors, packing, norms and the catalogue: what every floor stands on."""
