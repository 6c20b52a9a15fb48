"""Messages between actors: from the sender, to the handler, and back with the answer."""
