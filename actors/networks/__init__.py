"""The torch networks that actors load and pipelines train."""
