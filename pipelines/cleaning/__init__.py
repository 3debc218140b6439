"""Cleaning: from raw files to a corpus without rubbish and duplicates, with a reason for every document dropped."""
