"""The marketplace itself: requesters, workers, projects, tasks, assignment, settlement. Stands on quality and payments."""
