"""The studio: every task in tabs, in a notebook, or as a page for visitors by Voilà."""
