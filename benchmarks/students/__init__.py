"""The student beside its teacher and its peers: one page, from the same labels, split and queries for everybody."""
