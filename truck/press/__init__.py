"""What the press gets of a stage: results and a report, held back until an operator releases."""
