"""Neural networks whose depth is time, and the baselines that stand beside them."""
