"""Everything that defines a run: fields with bounds and help texts, presets, reading and checking. Never imports torch."""
