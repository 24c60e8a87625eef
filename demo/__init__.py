"""The demo: bluebird's recorded people work for Rookery over HTTP. It knows the public API and nothing else."""
