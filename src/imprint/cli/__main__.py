"""`python -m imprint.cli`, the same as `imprint`."""

from imprint.cli.app import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
