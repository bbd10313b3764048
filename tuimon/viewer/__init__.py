"""The terminal user interface: screens, widgets, drawing and keys. Never imports torch."""
