"""Subscription schedules: phases that begin and change a subscription as time passes."""
