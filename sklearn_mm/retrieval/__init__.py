"""What is about vectors alone: how well rows of one block find those of another."""
