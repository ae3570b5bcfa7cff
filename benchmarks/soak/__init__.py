"""A soak: a service of two workers under mixed traffic, while releases change and workers are killed."""
