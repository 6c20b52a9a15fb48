"""Lanes between processes: ordered batches of messages with descriptors beside them.

    lane      one end of a lane, without an event loop
    on_loop   a lane that an asyncio loop watches

The meaning of the messages is in `skypy.core.wire`.
"""
