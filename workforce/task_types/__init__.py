"""Kinds of work, one file each: what a requester sends, what a worker answers, how the answer becomes a vote."""
