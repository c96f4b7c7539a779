"""Scanners against the running site as a visitor, a customer, a professional and an admin: `make scan`.

Only the server that a scan starts is asked, with invented people in a folder of its own, and it reaches nobody.
"""
