"""Makes `python -m keenline` the same as `keenline`."""

from __future__ import annotations

from keenline.cli import main

main()
