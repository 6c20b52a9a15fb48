"""asyncio tasks and waits as the scheduler runs them; nothing here knows of actors.

All that skypy relies on in the insides of asyncio is here, and is tried by `assumptions` when a worker starts.
"""
