"""Checks for people who write encoders, fusions, transformers or estimators of their own."""
