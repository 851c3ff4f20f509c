"""Names of the files that samples are taken into."""

PIXELS, SAMPLES, QUARANTINE, SUMMARY = "samples.u8", "samples.parquet", "quarantine.parquet", "source.json"
