"""Pure race logic, in columns: no clock, no disk, no socket."""
