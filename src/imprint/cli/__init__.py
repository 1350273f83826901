"""The command line: one thin file a command."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line; loading it takes seconds, in which Ctrl-C is heard too.

    Examples:
        >>> main.__name__
        'main'
    """
    try:
        from imprint.cli.app import main as run
    except KeyboardInterrupt:
        sys.exit(130)
    run()
