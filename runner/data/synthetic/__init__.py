"""Procedural scenes with exact depth: layout, props, rays, shading."""
