"""Everything that defines a run: fields with bounds and help texts, presets, reading and checking. Never imports torch."""

SPEC_FILE = "spec.toml"  # in a run's folder
