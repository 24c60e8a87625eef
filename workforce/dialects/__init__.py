"""Other systems' requester APIs, spoken as their clients expect them."""
