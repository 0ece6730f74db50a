"""Writing a module's configuration, step by step, so that what breaks off is taken back and said."""
