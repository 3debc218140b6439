"""Which domain a text belongs to, from a few labelled texts for each."""

from actors.domain_classifier.classifier import OTHER, DomainClassifier
from actors.domain_classifier.held_out import HeldOut
from actors.domain_classifier.seeds import STARTER, read_seeds, seed_files
from actors.domain_classifier.terms import Terms

__all__ = ["OTHER", "STARTER", "DomainClassifier", "HeldOut", "Terms", "read_seeds", "seed_files"]
