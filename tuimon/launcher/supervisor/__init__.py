"""The process that starts one training process, waits for its end, and logs how it ended."""
