"""The learning belt: turns a dataset into a bundle, an updated bundle, or its evaluation."""
