"""A stage folder before the race: made from a drawing, shown, doubted."""
