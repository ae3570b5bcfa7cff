"""What trains and exports models: sentence encoder, student, tagger and filter. The only folder that imports torch."""

import domain.telemetry  # noqa: F401 - before onnxruntime, which some modules here import first

__all__: list[str] = []
