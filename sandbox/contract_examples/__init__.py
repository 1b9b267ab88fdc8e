"""The examples in the contracts: recorded from a running sandbox, kept with each tier's code."""
