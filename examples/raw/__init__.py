"""The parts of the raw-document generator: originals, disguises, variants, rubbish, and the files they end up in."""
