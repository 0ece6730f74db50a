"""What is measured of interapp beside the contenders' races: each module is one thing, and does its own rounds."""
