"""The command `bench`."""

from bench.cli.command import cli, main

__all__ = ["cli", "main"]
