"""What the verbs of the command line do. Each function takes the parsed options and returns an exit code."""
