"""What a run can be steered by, and how commands reach the training loop."""
