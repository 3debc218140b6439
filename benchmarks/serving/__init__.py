"""Benchmarks of serving: engines, the gateway, autoscaling."""
