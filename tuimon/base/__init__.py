"""Shared by all packages, and imports none of them: errors, text, names, processes, locks. Never imports torch or Textual."""
