"""Models for others: a card that says what a model is, and the folder or the repository on the hub that has both."""
