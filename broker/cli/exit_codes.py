"""Exit codes that no single command decides on."""

INTERRUPTED = 130
"""What Ctrl-C ended: 128 and the number of SIGINT, as shells have it."""
