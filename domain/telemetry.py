"""No library that is used here tells its maker of it; imported before any of them.

onnxruntime, from 1.29 on, sends events about the models it opens to Microsoft, and keeps them and an id of the device
below ``~/.cache`` until then, unless it finds this variable when it is imported.
"""

import os

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
