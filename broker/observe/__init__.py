"""What a running process shows of itself: logs and health."""
