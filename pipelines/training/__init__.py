"""What the flows call: fits and evaluates classifiers, fits the GAN, makes shards. No prefect here."""
