"""Statistics on held-out items: clustered intervals, proportions, joint success, unsafe advice."""
