"""Virtual bikes: a seeded peloton and recorded rides, behind a radio with faults."""
