"""Encoders, fusion and head as one torch module, and the losses it is trained with."""
