"""The night rehearsal: today's readings through tomorrow's pack, and what differs."""
