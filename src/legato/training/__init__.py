"""Objectives, the training loop, checkpoints and scores."""
