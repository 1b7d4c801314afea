"""The runtimes that execute a model: ONNX and scikit-learn."""
