"""The embedded demo shop: a grocery catalogue of our own making, its shoppers and a seeded log generator."""

from pathlib import Path

SHOP = Path(__file__).parent / "shop"
SOURCES = Path(__file__).parent / "sources"
GOLD = Path(__file__).parent / "gold.jsonl"
RECORDING = Path(__file__).parent / "recordings" / "understand.jsonl.gz"
