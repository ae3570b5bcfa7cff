"""Figures of docs/discovered.md: what discovery content is worth, and what its checks and its ranking do for it."""
