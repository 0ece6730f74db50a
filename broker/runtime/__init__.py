"""Where rooms meet: apps, clients that send, workers that handle, and the host that runs them in one process."""
