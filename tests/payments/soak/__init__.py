"""Houses that live for very long; see `__main__`."""
