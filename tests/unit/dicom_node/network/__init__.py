"""Tests of Annulus."""
