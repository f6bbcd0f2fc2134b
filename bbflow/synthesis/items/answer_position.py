"""Balance of letters: the position of the right option among the options of an item."""

from __future__ import annotations

from dataclasses import replace

from bbflow.synthesis.items.item import Item


def rotate_answer(item: Item, number: int) -> Item:
    """Return the `number`-th item with its right option at position `number` modulo the number of options; the others keep their order."""
    if item.options is None:
        return item
    rest = [option for option in item.options if option != item.gold]
    position = number % len(item.options)
    return replace(item, options=(*rest[:position], item.gold, *rest[position:]))
