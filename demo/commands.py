"""`rookery demo`."""

import click


@click.command("demo")
def demo() -> None:
    """Run the main job on real data and report."""
