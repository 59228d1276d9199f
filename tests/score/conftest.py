"""The rooms of a score import one another flat, as a script's neighbours do; so do their tests."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
