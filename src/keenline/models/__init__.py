"""The detectors: each turns good images of a part into one ONNX graph."""
