"""Models as ONNX files, for programs that have neither zoo nor torch."""
