"""``python -m service RELEASE``: serve a release folder where there is no shop folder, as in the container."""

from __future__ import annotations

import argparse
import sys

from domain import QuerywiseError
from service.options import add_setting_options, between, settings_from
from service.run import serve


def main() -> int:
    """Serve; return 2 where the release cannot be used, or not as it should be."""
    parser = argparse.ArgumentParser(prog="python -m service", description="Serve one release of Querywise.")
    parser.add_argument(
        "release", help="folder of a release, a link to one, a folder with current in it, or the URL of such a folder"
    )
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=between(int, 1, 65_535), default=8080)
    parser.add_argument("--workers", type=between(int, 1, 256), default=1)
    add_setting_options(parser)
    options = parser.parse_args()
    try:
        serve(
            options.release,
            host=options.host,
            port=options.port,
            workers=options.workers,
            settings=settings_from(vars(options)),
        )
    except QuerywiseError as error:
        sys.stderr.write(f"{error}\n{error.hint}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
