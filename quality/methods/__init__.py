"""The methods that turn votes into labels: pure arithmetic over arrays, no database."""
