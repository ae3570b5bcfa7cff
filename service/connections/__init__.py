"""What may be asked of a process at once, and for how long: connections, deadlines, load, and the end."""
