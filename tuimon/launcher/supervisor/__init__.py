"""The process that starts one training process, reaps it, and writes into the run's log how it ended."""
