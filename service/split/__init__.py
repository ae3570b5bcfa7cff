"""A second release beside the one being served: for a share of clients, or in shadow."""
