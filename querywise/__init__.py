"""The command-line program: parse, call one function, print."""

__all__: list[str] = []
