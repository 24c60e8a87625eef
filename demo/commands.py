"""`rookery demo`: serve, let the recorded people work, report, and stay up."""

from dataclasses import replace

import click

from foundation import processes
from foundation.settings import Settings


@click.command("demo")
@click.option("--exit", "leave", is_flag=True, help="End after the report.")
@click.option("--orders", type=click.IntRange(1, 100), default=1, show_default=True, help="Orders of arrival to run.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port to listen on; ROOKERY_PORT.")
@click.pass_obj
def demo(configured: Settings, leave: bool, orders: int, port: int | None) -> None:  # noqa: FBT001 - a click flag
    """Run the main job on 108 photographs and 39 recorded people, over HTTP, and report."""
    from demo import showing  # noqa: PLC0415 - a client for HTTP is large, and no process of the house is one

    processes.raise_interrupt_on_terminate()
    # Everybody of all orders applies from this machine, within minutes.
    people = {"applications": 100_000, "strangers": 100_000, **configured.limits}
    showing.show(replace(configured, port=port or configured.port, limits=people), leave=leave, orders=orders)
