"""``python -m demo FOLDER``: assemble the demo shop, its log included, as a shop folder."""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path

from demo import GOLD, SHOP
from demo.logs import write_logs
from domain.errors import UserError

_HERE = Path(__file__).parent
_LOG = ("ubi_queries.parquet", "ubi_events.parquet")


def assemble(folder: Path) -> bool:
    """Copy the shop into `folder` and generate its log; return False where all of it is there already.

    The log is written only by what decides it, so that a folder which is whole is left untouched.

    Raises:
        UserError: when the folder holds something else, which is left alone.
    """
    made_of = sorted([*_HERE.glob("*.py"), _HERE / "behaviour.jsonl", GOLD, *SHOP.iterdir()])
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in made_of)).hexdigest()
    mark = folder / ".assembled"
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is not a folder", hint="name a new folder")
    if folder.is_dir() and not mark.is_file() and any(folder.iterdir()):
        raise UserError(f"{folder} holds something else", hint="name a new folder, or an empty one")
    names = [*(path.name for path in (*SHOP.iterdir(), GOLD)), *_LOG]
    if mark.is_file() and mark.read_text() == digest and all((folder / name).is_file() for name in names):
        return False
    folder.mkdir(parents=True, exist_ok=True)
    mark.write_text("unfinished")
    for path in SHOP.iterdir():
        shutil.copyfile(path, folder / path.name)
    shutil.copyfile(GOLD, folder / GOLD.name)
    write_logs(folder)
    mark.write_text(digest)
    return True


def main() -> int:
    """Return the exit status: 0, or 2 on a user's mistake."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: python -m demo FOLDER\n")
        return 2
    folder = Path(sys.argv[1])
    try:
        state = "assembled" if assemble(folder) else "is there already"
    except UserError as error:
        sys.stderr.write(f"demo: {error}\n  hint: {error.hint}\n")
        return 2
    except OSError as error:
        sys.stderr.write(f"demo: {error.filename}: {error.strerror}\n")
        return 2
    sys.stdout.write(f"the demo shop {state}: {folder}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
