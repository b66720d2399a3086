"""Encoders that were trained elsewhere: checkpoints, modules and functions (transfer learning)."""
