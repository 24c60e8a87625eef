"""The ground the three packages stand on: knows actors and scopes, but no worker, task, label or price."""
