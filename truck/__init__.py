"""The data centre at the finish line: proves, journals, computes, stores and shows."""
