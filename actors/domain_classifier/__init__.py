"""Which domain a text belongs to, from a few labelled texts for each."""

from actors.domain_classifier.classifier import OTHER, DomainClassifier
from actors.domain_classifier.seeds import read_seeds

__all__ = ["OTHER", "DomainClassifier", "read_seeds"]
