"""What holds for the whole suite."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# No test asserts a duration: a busy machine is not a fault. Speed is measured in bench/.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")
