"""Measures interapp beside raw pika and its Python peers, in one run on one machine: only ratios carry over.

``python -m benchmarks`` (``make bench``, ``make bench-quick``) starts private servers, runs every contender in rounds and
writes ``results/latest.json``.
"""
