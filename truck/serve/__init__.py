"""What the truck shows: the frame feed and the race-centre page."""
