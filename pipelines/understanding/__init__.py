"""`danlu understand`: annotated utterances to an intent and slot model."""
