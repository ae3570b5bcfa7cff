"""What needs torch: the encoder's export now, the student later. The only folder that imports it."""

__all__: list[str] = []
