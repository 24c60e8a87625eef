"""What we claim, measured: each figure is a ratio to a peer or a floor of the same run, at two sizes at least."""
