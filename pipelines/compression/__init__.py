"""`danlu compress`: a checkpoint becomes small and fast."""
