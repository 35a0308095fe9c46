"""Procedural scenes with exact depth: layout and props, ray casting, shading, and the renderer that combines them."""
