"""The screen: everything that is drawn in a terminal and every key that is pressed there. Never imports torch."""
