"""What is true: votes, Dawid-Skene, consensus, reliability, the decision to escalate. Stands on foundation alone."""
