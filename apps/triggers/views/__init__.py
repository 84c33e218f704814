"""Pages about triggers, and the forms that start runs."""
