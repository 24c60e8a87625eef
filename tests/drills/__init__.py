"""What an operator hopes never to do, done and measured: restore after everything is lost, upgrade under load."""
