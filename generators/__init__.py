"""Proposes hard samples and judges their labels. Tensors in, tensors out: nothing here opens a file."""
