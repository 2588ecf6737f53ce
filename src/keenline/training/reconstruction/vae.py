"""Good images turned into the bundle of a variational autoencoder, for `keenline learn`."""

from __future__ import annotations

from functools import partial

from keenline.training.reconstruction.learn import learn_kind

learn = partial(learn_kind, "vae")
"""As `learn_kind` says."""
