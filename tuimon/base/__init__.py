"""What every room uses and that uses none: errors, text, names, and who a process is. Never imports torch or Textual."""
