"""Django's admin: schedules with the kinds' own forms, everything else plain and raw."""
