"""Speed and accuracy beside the peers, measured in one run; `python -m benchmarks` writes a record."""
