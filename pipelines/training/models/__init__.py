"""Classifiers: our own small one, and those that are brought, checked before they are trusted."""
