"""Widgets of our own, and what any of them needs: whether anybody looks, runs in a thread."""
