"""Templates by subject; catalogue.py reads the files, nothing imports them for their side effects."""
