"""Intent and slots of an utterance, with a calibrated confidence.

Importing this package is cheap; torch loads with the first model.
"""

from actors.intent_model.model import IntentModel
from actors.intent_model.understanding import Slot, Understanding

__all__ = ["IntentModel", "Slot", "Understanding"]
