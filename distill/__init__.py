"""What needs torch: the encoder's export now, the student later. The only folder that imports it."""

import domain.telemetry  # noqa: F401 - before onnxruntime, which some modules here import first

__all__: list[str] = []
