"""What is done to a fleet, and what callers and operators see of it: a function for each fault.

Each takes a running fleet in which all is well, breaks something under steady load, waits
until the fleet is well again, and returns what it has measured. The tests hold that against
what was promised; ``benchmarks/faults.py`` prints it.
"""
