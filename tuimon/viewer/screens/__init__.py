"""One module for each screen that a user sees."""
