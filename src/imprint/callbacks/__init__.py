"""Skipping within other people's training loops: one module a framework, imported by its name."""

__all__: list[str] = []
