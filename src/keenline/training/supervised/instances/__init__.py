"""Networks that find each defect on its own: a box, a class and, where known, an outline."""
