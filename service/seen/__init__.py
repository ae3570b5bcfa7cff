"""What a service does, as its people see it: counts, drift, logs, traces, and queries that nobody precomputed."""
