"""Django looks for admins here; they live with the other pages."""

from jobs.web.admin import job, others, schedule  # noqa: F401  each registers its models
