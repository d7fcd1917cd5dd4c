"""A run is one TOML file: `read.read` checks it whole, before anything is computed, into the parts of `parts`."""
