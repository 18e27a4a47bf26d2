"""Tries an ONNX file in a process of its own: the parent's side and the child's."""
