"""``python -m demo FOLDER``: assemble the demo shop, its log included, as a shop folder."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from demo import SHOP
from demo.logs import write_logs

_HERE = Path(__file__).parent


def assemble(folder: Path) -> bool:
    """Copy the shop into `folder` and generate its log; return False where all of it is there already.

    The log is written only by what decides it, so that a folder which is whole is left untouched.
    """
    made_of = sorted([*_HERE.glob("*.py"), _HERE / "behaviour.jsonl", *SHOP.iterdir()])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()
    mark = folder / ".assembled"
    if mark.is_file() and mark.read_text() == digest:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    mark.unlink(missing_ok=True)
    for path in SHOP.iterdir():
        shutil.copyfile(path, folder / path.name)
    write_logs(folder)
    mark.write_text(digest)
    return True


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m demo FOLDER")
    target = Path(sys.argv[1])
    state = "assembled" if assemble(target) else "is there already"
    sys.stdout.write(f"the demo shop {state}: {target}\n")
