"""What calls of models used and cost, and what they may cost."""
