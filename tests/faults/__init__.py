"""Faults under load: processes are killed and Redis is flushed while clients work and remember what they were told."""
