"""Pages of the chat: what is shown, and what is done from there."""
