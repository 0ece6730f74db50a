"""What can be set on a TCR module: typed, within the limits, and compared with what the device reports. Pure.

Nothing of a configuration tree was ever captured. Meanings and limits come from the SDK header and vendor documents, the
layout of the JSON is invented; so what a device reports is read as tolerantly as its status, and what is written is read back.
"""
