"""The effort of Hypothesis: enough for every run, unless another profile is asked for by name."""

from hypothesis import settings

settings.register_profile("quick", max_examples=100, deadline=None, derandomize=False, print_blob=True)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=20_000)
if settings.get_current_profile_name() == "default":
    settings.load_profile("quick")
