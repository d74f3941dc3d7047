"""What all estimators share. It knows no model."""
