"""Cleaning measured: against its peers, against known truth, and its cost as the corpus grows."""
