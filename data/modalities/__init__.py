"""What a modality is stored as: one file each, with `extension`, `encode` and `decode`."""
