"""What users pass in, checked and coded for the kernels."""
