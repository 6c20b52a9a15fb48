"""asyncio tasks and waits as the scheduler runs them; nothing here knows of actors."""
