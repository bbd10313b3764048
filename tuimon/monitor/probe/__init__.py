"""Samples of a model's layers: gradients, weights, updates, activations, dead and saturated units."""
