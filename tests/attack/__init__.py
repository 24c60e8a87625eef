"""Bad input as data, on every route: the quick part runs with the other tests, `make attack` besieges a whole house."""
