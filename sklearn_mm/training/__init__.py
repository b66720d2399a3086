"""Training: the data set of batches, augmentation, schedules and callbacks around skorch."""
