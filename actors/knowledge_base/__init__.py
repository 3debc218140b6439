"""The knowledge base: passages of documents, found by full text and by meaning."""
