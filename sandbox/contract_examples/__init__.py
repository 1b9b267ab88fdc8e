"""Records the contracts' examples from a running sandbox; they are kept with each tier's code."""
