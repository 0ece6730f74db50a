"""The vocabulary every room shares: states, reasons, legal moves, addresses, ids, clock."""
