"""`danlu index`: documents become a searchable knowledge base."""
