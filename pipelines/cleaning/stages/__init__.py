"""The stages of cleaning: each reads what the one before it left in the run directory, and leaves its own."""
