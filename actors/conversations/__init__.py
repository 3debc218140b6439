"""Conversations that outlive the process: turns, dialogue state, hand-off and feedback in a SQL database."""

from actors.conversations.store import ConflictError, Conversation, ConversationStore, Feedback, Turn

__all__ = ["ConflictError", "Conversation", "ConversationStore", "Feedback", "Turn"]
