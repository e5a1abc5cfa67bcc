"""When a StatefulSet's new pod counts as ready, what keeps it, and which upgrades and moves are allowed."""
