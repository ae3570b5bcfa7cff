"""``python -m querywise``."""

from querywise.cli import main

if __name__ == "__main__":
    main()
