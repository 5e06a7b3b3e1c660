"""Trained models that come with zoo: files, and a card for each."""
