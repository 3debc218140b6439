"""From clean text or chats to a trained language model: tokenizer, token files, training, checkpoint."""
