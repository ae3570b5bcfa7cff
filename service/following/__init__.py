"""The release being served, and how it becomes another while requests go on."""
