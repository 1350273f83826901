"""The command line: one thin file a command."""

from imprint.cli.app import main

__all__ = ["main"]
