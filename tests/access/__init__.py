"""Who may do what, and who sees what: a matrix of calls, canaries in every column, and mutants of every guard."""
