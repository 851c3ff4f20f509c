"""Events of several modalities: the classifier of them, its judges, attacks on one modality, evaluation by modality."""
