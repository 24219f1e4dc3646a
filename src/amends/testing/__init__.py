"""What users and stores are tested with."""
