"""The station's own journal on disk: what it holds survives the process, and others read on."""
