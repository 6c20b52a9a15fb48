"""A worker: an asyncio loop that runs actors. The only place that runs users' code."""
