"""Image files and folders turned into arrays, samples, datasets and splits."""
