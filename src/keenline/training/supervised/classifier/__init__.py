"""Networks that name the class of a whole image, and show what made them say so."""
