"""Every page, card, picture and table that bbflow shows a person."""
