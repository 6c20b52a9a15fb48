"""Actors, and the scheduler that decides when their code runs."""
