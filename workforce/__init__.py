"""The marketplace: requesters, workers, projects, tasks, assignment, settlement. Stands on quality and payments."""
