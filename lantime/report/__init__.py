"""The device report: what a device answers, without anything that tells whose it is, for those who extend interapp."""
