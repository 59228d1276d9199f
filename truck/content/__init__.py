"""Photos, video links, posts and commentary on the race's time and kilometre axis."""
