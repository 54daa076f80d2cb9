"""Porchlight Astronomy: a small made-up community with the chat on its pages, to try the product on."""
