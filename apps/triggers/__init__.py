"""What starts runs by itself: schedules, webhooks, the ends of other runs, and forms."""
