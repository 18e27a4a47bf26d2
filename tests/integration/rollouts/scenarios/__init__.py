"""What is done with rollouts, and what callers, operators and Tritons see of it.

Each function takes a running fleet whose stable release has all traffic, does something under
steady load, leaves the fleet as it was, and returns what it has measured. The tests hold that
against what was promised; ``benchmarks/rollouts.py`` prints it.
"""
