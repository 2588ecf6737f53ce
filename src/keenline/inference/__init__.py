"""The runtime: turns a bundle and an image into a prediction, the same way everywhere."""
